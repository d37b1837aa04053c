// A server of cpp-httplib that answers with the query, as somebody writes it who has read the library's first example.
#include <httplib.h>

#include <cstdlib>
#include <string>

int main(int, char **words) {
  httplib::Server server;
  server.Get("/echo", [](const httplib::Request &asked, httplib::Response &answer) {
    const auto at = asked.target.find('?');
    const auto id = at == std::string::npos ? std::string() : asked.target.substr(at + 1);
    answer.set_header("X-Id", id);
    answer.set_content(id, "text/plain");
  });
  // As many as a proxy has links: a thread is a connection here.
  server.new_task_queue = [] { return new httplib::ThreadPool(64); };
  return server.listen(words[2], std::atoi(words[1])) ? 0 : 1;
}
