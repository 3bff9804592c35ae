import OmniwayTransport
import OmniwayWire

@testable import OmniwayMesh

/// What the original does, as its recordings show it: a chunk is a message, a name belongs to one connection, and
/// `unknownop` is answered. It writes down what goes through each connection.
final class OriginalNode: LinkIntake {
    let name: String
    let kind: ConnectionKind
    let address: String
    private let loop: Loop
    /// "0> {…}" is what the first connection brought, "0< {…}" what it was answered.
    private(set) var transcript: [String] = []
    private(set) var accepted = 0
    private var acceptedLinks: [Link] = []
    private(set) var routes: [String: Link] = [:]
    /// Chunks that were no message: lost.
    private(set) var lost = 0
    /// Stops reading, as a node does that hangs.
    var hangs = false

    init(_ name: String, _ kind: ConnectionKind, _ address: String, on loop: Loop) {
        (self.name, self.kind, self.address, self.loop) = (name, kind, address, loop)
    }

    func accept(_ link: Link) -> (any LinkHandler)? {
        accepted += 1
        acceptedLinks.append(link)
        return Connection(self, accepted - 1, isAccepted: true)
    }

    /// Adds a route and greets over it at once.
    func open(_ peer: String, over transport: InProcess) {
        let connection = Connection(self, -1, isAccepted: false)
        let link = transport.dial(on: loop, deadline: .seconds(1), handler: connection)
        routes[peer] = link
        link?.write(PheromoneMessage.greeting(name, at: address).bytes)
    }

    /// Writes to a route; false when there is none any more.
    func dispatch(_ message: PheromoneMessage, to peer: String) -> Bool {
        guard let link = routes[peer], link.state != .closed else { return false }
        link.write(message.bytes)
        return true
    }

    /// Ends all connections that it has accepted.
    func closeAll() { for link in acceptedLinks { link.close(.done) } }

    func close(_ peer: String) { routes[peer]?.close(.done) }

    fileprivate func handle(_ bytes: [UInt8], _ number: Int, _ link: Link) -> Bool {
        transcript.append("\(number)> \(String(decoding: bytes, as: UTF8.self))")
        guard let message = try? PheromoneMessage(bytes), bytes.count <= PheromoneMessage.largest else {
            lost += 1
            return false
        }
        var answer = message.operation.answer ?? .unknown
        if message.operation == .noticeResponse { return false }
        if message.operation == .connectRequest {
            answer = .connectResponse
            if kind == .long, routes[message.name] !== link {
                routes[message.name]?.close(.done)
                routes[message.name] = link
            }
        }
        let reply = PheromoneMessage(name: name, operation: answer).bytes
        transcript.append("\(number)< \(String(decoding: reply, as: UTF8.self))")
        link.write(reply)
        return message.operation == .connectRequest
    }

    final class Connection: LinkHandler, TimerTarget {
        private let node: OriginalNode
        private let number: Int
        private var link: Link?
        /// A listener reads once, and goes on only if that was a greeting.
        private var isFirst: Bool
        private var isDeaf = false

        init(_ node: OriginalNode, _ number: Int, isAccepted: Bool) {
            (self.node, self.number, isFirst) = (node, number, isAccepted)
        }

        func opened(_ link: Link) {
            self.link = link
            if isFirst { node.loop.after(.milliseconds(100), self) }
        }

        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
            if node.hangs { isFirst = false }
            if isDeaf || node.hangs { return bytes.byteCount }
            let isGreeting = node.handle(bytes.array(0..<bytes.byteCount), number, link)
            if isFirst, node.kind == .short { link.close(.done) }
            if isFirst, !isGreeting { isDeaf = true }
            isFirst = false
            return bytes.byteCount
        }

        func closed(_ link: Link, _ reason: CloseReason) { self.link = nil }

        func timerFired(_ token: UInt64, on loop: Loop) {
            guard isFirst else { return }
            isDeaf = true
            if node.kind == .short { link?.close(.done) }
        }
    }
}
