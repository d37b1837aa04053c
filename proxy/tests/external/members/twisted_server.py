"""A server of Twisted that answers with the query; one answer in twenty is deferred by 0.3 ms."""
import itertools
import sys

from twisted.internet import reactor
from twisted.web import resource, server

count = itertools.count()


class Echo(resource.Resource):
    isLeaf = True

    def render_GET(self, request):
        ident = request.uri.partition(b"?")[2] or request.uri
        request.setHeader(b"X-Id", ident)
        request.setHeader(b"Content-Length", str(len(ident)).encode())
        if next(count) % 20:
            return ident
        reactor.callLater(0.0003, self.finish, request, ident)
        return server.NOT_DONE_YET

    def finish(self, request, ident):
        request.write(ident)
        request.finish()


site = server.Site(Echo())
reactor.listenTCP(int(sys.argv[1]), site, backlog=4096, interface=sys.argv[2])
reactor.run()
