import OmniwayTransport
import OmniwayWire

/// Which side of the gateway a peer is on: it faces the peers of the other side only.
public enum GatewaySide: String, Sendable, CaseIterable {
    case client, server
    public var other: GatewaySide { self == .client ? .server : .client }
}

/// A link of any loop of the gateway.
struct Place: Hashable, Sendable, BitwiseCopyable {
    let link: LinkID
    let loop: UInt8
}

/// One virtual connection, as each loop that has an end of it keeps it.
struct VirtualConnection: BitwiseCopyable {
    let id: ConnectionID
    private let clientLoop: UInt8
    private let serverLoop: UInt8
    let clientLink: LinkID
    let serverLink: LinkID
    /// Where the id stands among those of each end that lives on this loop.
    var clientIndex: UInt32 = 0
    var serverIndex: UInt32 = 0
    /// What came from the ends that live on this loop.
    var fromClient = Traffic()
    var fromServer = Traffic()

    init(_ id: ConnectionID, client: Place, server: Place) {
        self.id = id
        (clientLink, clientLoop, serverLink, serverLoop) = (client.link, client.loop, server.link, server.loop)
    }

    var client: Place { Place(link: clientLink, loop: clientLoop) }
    var server: Place { Place(link: serverLink, loop: serverLoop) }
}

/// Frames and their bytes.
public struct Traffic: Hashable, Sendable, BitwiseCopyable {
    public internal(set) var frames: UInt64 = 0
    public internal(set) var bytes: UInt64 = 0
    public init() {}

    mutating func add(_ count: Int) {
        frames &+= 1
        bytes &+= UInt64(truncatingIfNeeded: count)
    }

    static func += (sum: inout Traffic, other: Traffic) {
        sum.frames &+= other.frames
        sum.bytes &+= other.bytes
    }
}
