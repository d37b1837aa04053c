// A server of Node.js that says who it is and answers with the query; one answer in twenty is 1 ms late.
const [port, host] = process.argv.slice(2);
let count = 0;
require('http').createServer((asked, answer) => {
  const id = asked.url.split('?')[1] || asked.url;
  answer.setHeader('Server', 'node');
  answer.setHeader('X-Id', id);
  answer.setHeader('Content-Length', Buffer.byteLength(id));
  if (++count % 20) answer.end(id); else setTimeout(() => answer.end(id), 1);
}).listen(+port, host, 4096);
