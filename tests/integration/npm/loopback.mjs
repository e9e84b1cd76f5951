// Loaded before a server that would listen on every interface: it gets a free port of the loopback
// interface, and its address is printed as a line of its own.
import net from 'node:net';

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function onLoopback(_port, ...others) {
  this.once('listening', () => console.log(`http://127.0.0.1:${this.address().port}`));
  return listen.call(this, { host: '127.0.0.1', port: 0 }, ...others);
};
