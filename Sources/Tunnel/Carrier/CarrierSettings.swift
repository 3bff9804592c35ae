public import OmniwayTransport

/// What a carrier may use, on either side. Both sides need not agree.
public struct CarrierSettings: Sendable {
    /// Data connections of one peer: so many from the beginning, and up to so many when those there carry bulk.
    public var connections = 1...4
    /// Connections that wait for one bulk stream each, so that its bytes travel as they are: the dialling side keeps as
    /// many ready, and dials others when they are needed.
    public var bulkPool = 0
    /// As many of them may wait at the accepting side, of one peer.
    public var bulkWaiting = 64
    /// Streams on one connection, at once.
    public var streams = 4096
    /// What one peer may send before it is read, all its streams together.
    public var peerBudget = 32 << 20
    /// The same for all peers of one loop; 256 MiB of a process divided by its loops.
    public var loopBudget = 256 << 20
    /// Streams that may wait while there is no data connection.
    public var waiting = 1024
    /// How long connections and their streams outlive the command connection.
    public var keep = Duration.seconds(30)
    /// How long a peer may take to say who it is.
    public var greeting = Duration.seconds(5)
    /// How long a connection may take to come about, its handshakes included.
    public var dialing = Duration.seconds(10)

    public init() {}
}

extension SocketOptions {
    /// Of sockets that carriers go over: what the network does not take yet waits where streams take turns, and not in
    /// the kernel. There is no time limit for what was sent, since a bulk stream may wait for its reader; other
    /// connections are asked whether they live.
    public static var carrier: SocketOptions {
        var options = SocketOptions()
        options.mostUnsent = MuxConnection.window
        return options
    }
}
