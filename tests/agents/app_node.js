// A small HTTP service under the real SkyWalking Node agent; the agent is set up by its SW_ variables.
// SPDX-License-Identifier: Apache-2.0
// GET /ask?of=URL calls the other service and gives its answer; GET /leaf answers by itself.
// Prints "listening PORT".
'use strict';

require('skywalking-backend-js').default.start();
const http = require('http');

// http.request, not http.get: the agent watches only the former.
function ask(url, response) {
  http.request(url, (answer) => {
    const parts = [];
    answer.on('data', (part) => parts.push(part));
    answer.on('end', () => response.end('node asked: ' + Buffer.concat(parts)));
  }).on('error', (error) => {
    response.statusCode = 502;
    response.end(String(error));
  }).end();
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/ask') ask(url.searchParams.get('of'), response);
  else response.end('node leaf');
});

server.listen(0, '127.0.0.1', () => console.log('listening', server.address().port));
