// A server of Node.js that says who it is and answers with the query.
const [port, host] = process.argv.slice(2);
require('http').createServer((asked, answer) => {
  const id = asked.url.split('?')[1] || asked.url;
  answer.setHeader('Server', 'node');
  answer.setHeader('X-Id', id);
  answer.setHeader('Content-Length', Buffer.byteLength(id));
  answer.end(id);
}).listen(+port, host, 4096);
