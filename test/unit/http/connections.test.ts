// Who gets a place, and who has to go for it. The sockets are real and connected to nobody.
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Connection, Connections } from '../../../src/http/connections.ts';

function bench({ maxConnections = 100, maxIdleConnections = 100, descriptorLimit = Number.POSITIVE_INFINITY } = {}) {
  const state = { now: 0 };
  const connections = new Connections({ maxConnections, maxIdleConnections, descriptorLimit }, () => state.now);
  const connect = (descriptor?: number): Connection | undefined => {
    const socket = new Socket();
    if (descriptor !== undefined)
      Object.assign(socket, { _handle: { fd: descriptor, close: (done: () => void) => done() } });
    connections.admit(socket);
    return connections.find(socket);
  };
  const admitted = () => {
    const connection = connect();
    if (connection === undefined) throw new Error('no place');
    return connection;
  };
  const begin = (connection: Connection) =>
    connections.begin(
      connection,
      { hasBegunAnswer: false, giveUp: () => {} },
      new ServerResponse(new IncomingMessage(connection.socket)),
    );
  /** A connection that has had an answer. */
  const kept = (descriptor?: number) => {
    const connection = connect(descriptor);
    if (connection === undefined) return undefined;
    begin(connection);
    connections.end(connection);
    return connection;
  };
  return { state, connections, connect, admitted, begin, kept };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the connections of a listener', () => {
  it('count requests under way, also several of one connection, until their answers or the connection end', async () => {
    const { connections, admitted, begin } = bench();
    const [one, other] = [admitted(), admitted()];
    begin(one);
    begin(one);
    begin(other);
    expect([connections.open, connections.idle, connections.underWay]).toEqual([2, 0, 3]);
    connections.end(one);
    expect([connections.idle, connections.underWay]).toEqual([0, 2]);
    connections.end(one);
    expect([connections.idle, connections.underWay]).toEqual([1, 1]);
    other.socket.destroy();
    await settled();
    connections.end(other);
    expect([connections.open, connections.underWay]).toEqual([1, 0]);
  });

  it('make room for a new one by ending the one that has been idle for longest', async () => {
    const { connections, kept, connect } = bench({ maxConnections: 2 });
    const [first, second] = [kept(), kept()];
    expect(connect()).toBeDefined();
    expect([first?.socket.destroyed, second?.socket.destroyed]).toEqual([true, false]);
    await settled();
    expect(connections.open).toBe(2);
  });

  it('refuse a new one while all are busy, or have only just come', () => {
    const { state, admitted, begin, connect } = bench({ maxConnections: 2 });
    begin(admitted());
    const silent = admitted();
    expect(connect()).toBeUndefined();
    state.now = 1_000;
    expect(connect()).toBeDefined();
    expect(silent.socket.destroyed).toBe(true);
    expect(connect()).toBeUndefined();
  });

  it('are kept for a next request up to a number of their own; those without a request yet do not count', () => {
    const { connections, kept, admitted } = bench({ maxIdleConnections: 2 });
    const all = [kept(), admitted(), kept(), kept()];
    expect(all.map((connection) => connection?.socket.destroyed)).toEqual([true, false, false, false]);
    expect(connections.idle).toBe(2);
  });

  it('leave descriptors for others: a high one says how many connections there can be, for a moment', async () => {
    const { state, connections, connect, kept } = bench({ descriptorLimit: 936 });
    expect(connect(935)).toBeDefined();
    expect(connect(936)).toBeUndefined();
    expect(connect(100)).toBeUndefined();
    state.now = 1_000;
    const [first, second] = [kept(100), kept(101)];
    expect(connect(936)).toBeDefined();
    await settled();
    // The first one's descriptor is free again, and yet this one needs a place.
    expect(connect(100)).toBeDefined();
    expect([first, second].map((connection) => connection?.socket.destroyed)).toEqual([true, true]);
    await settled();
    expect(connections.open).toBe(3);
    state.now = 2_000;
    expect(connect(101)).toBeDefined();
    expect(connections.open).toBe(4);
  });

  it('tell whether a request may be on its way behind a new connection', () => {
    const { state, connections, admitted, begin } = bench();
    const newcomer = admitted();
    expect(connections.hasNewcomers()).toBe(true);
    begin(newcomer);
    expect(connections.hasNewcomers()).toBe(false);
    admitted();
    state.now = 250;
    expect(connections.hasNewcomers()).toBe(false);
  });

  it('end at a stop: those that are kept first, in the end also those that never asked, but none with a request', () => {
    const { connections, admitted, kept, begin } = bench();
    const [silent, idle, busy] = [admitted(), kept(), admitted()];
    begin(busy);
    connections.closeIdle();
    expect([silent, idle, busy].map((connection) => connection?.socket.destroyed)).toEqual([false, true, false]);
    connections.closeUnused();
    expect([silent, busy].map(({ socket }) => socket.destroyed)).toEqual([true, false]);
  });
});
