import Glibc
import OmniwayTransport

/// The echo of wslimit.c on our WebSocket, with all of its checks.
@main
struct WebSocketBenchmark {
    static func main() async throws {
        guard CommandLine.arguments.count == 2, let port = UInt16(CommandLine.arguments[1]) else {
            print("usage: WebSocketBenchmark PORT")
            exit(2)
        }
        let echo = await EventLoop().own { _ in Echo() }
        // The load is a closed loop, as for the C program: nothing bounds the queues but the messages under way.
        let queue = QueueLimits(low: 16 << 20, high: 64 << 20, most: 256 << 20)
        _ = try await WebSocket().over(StreamAcceptor(.loopback(port: port), queue: queue)).open(into: [echo])
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}

final class Echo: LinkIntake, LinkHandler {
    func accept(_ link: Link) -> (any LinkHandler)? { self }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes, endOfMessage: endOfMessage)
        return bytes.byteCount
    }
}
