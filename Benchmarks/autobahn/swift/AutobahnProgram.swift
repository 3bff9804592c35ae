import Glibc
import OmniwayTransport

/// Our WebSocket as the Autobahn test suite wants it: a server that echoes, and a client that echoes what the suite's
/// server sends in each of its cases.
@main
struct AutobahnProgram {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let port = UInt16(arguments[2]) else {
            print("usage: AutobahnProgram server|client PORT [compress]")
            exit(2)
        }
        let webSocket = WebSocket(
            maxMessageSize: 64 << 20, compression: arguments.contains("compress") ? .on(above: 1) : .off,
            keepAlive: WebSocket.KeepAlive(every: .seconds(600)), closeLimit: .seconds(2))
        // The suite sends messages of 16 MiB, and they are sent back whole.
        let queue = QueueLimits(low: 1 << 20, high: 4 << 20, most: 128 << 20, unread: 1 << 20)
        let loop = EventLoop()
        if arguments[1] == "server" {
            let echo = await loop.own { _ in Echo() }
            _ = try await webSocket.over(StreamAcceptor(.loopback(port: port), queue: queue)).open(into: [echo])
            while true { try await Task.sleep(for: .seconds(3600)) }
        } else {
            let suite = Suite(webSocket, port, queue, loop)
            try await suite.run(agent: "Omniway")
            await loop.shutdown()
        }
    }
}

/// Sends every message back as what it was.
final class Echo: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.outgoingKind = link.incomingKind
        link.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }
}

/// The cases of the suite's server, one connection after the other.
struct Suite {
    private let webSocket: WebSocket
    private let dialer: StreamDialer
    private let loop: EventLoop

    init(_ webSocket: WebSocket, _ port: UInt16, _ queue: QueueLimits, _ loop: EventLoop) {
        (self.webSocket, self.loop) = (webSocket, loop)
        dialer = StreamDialer(.loopback(port: port), queue: queue)
    }

    func run(agent: String) async throws {
        guard let count = Int(await dial("/getCaseCount")) else {
            print("the suite's server does not say how many cases there are")
            exit(1)
        }
        for number in 1...count { _ = await dial("/runCase?case=\(number)&agent=\(agent)") }
        _ = await dial("/updateReports?agent=\(agent)")
    }

    /// One connection to its end; the bytes of what it said last, as text.
    private func dial(_ path: String) async -> String {
        var webSocket = webSocket
        webSocket.path = path
        let dialer = webSocket.over(dialer)
        let loop = loop
        return await withCheckedContinuation { waiter in
            Task {
                await loop.run { loop in
                    _ = dialer.dial(on: loop, deadline: .seconds(10), handler: Case(waiter))
                }
            }
        }
    }
}

/// One case on the side that dials: an echo that remembers the last message.
final class Case: LinkHandler {
    private let waiter: CheckedContinuation<String, Never>
    private let echo = Echo()
    private var last: [UInt8] = []
    private var isNew = true

    init(_ waiter: CheckedContinuation<String, Never>) { self.waiter = waiter }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        if isNew { last = [] }
        isNew = endOfMessage
        if last.count < 100 { last.append(contentsOf: unsafe bytes.withUnsafeBytes { unsafe Array($0.prefix(100)) }) }
        return echo.receive(bytes, endOfMessage: endOfMessage, from: link)
    }

    func closed(_ link: Link, _ reason: CloseReason) {
        waiter.resume(returning: String(decoding: last, as: UTF8.self))
    }
}
