import Glibc
import OmniwayTransport

/// The server of limit.c on our links: TLS over TCP, one loop, what is received sent back, discarded or made up.
@main
struct TLSBenchmark {
    nonisolated static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 5, let port = UInt16(arguments[1]), let mode = Mode(rawValue: arguments[2]) else {
            print("usage: TLSBenchmark PORT echo|sink|source CERTIFICATE KEY")
            exit(2)
        }
        raiseDescriptorLimit()
        // Not an async main: it would end the main thread, which valgrind does not survive.
        Task.detached {
            do {
                try await listen(port, mode, .files(certificate: arguments[3], key: arguments[4]))
            } catch {
                print("\(error)")
                exit(1)
            }
        }
        while true { pause() }
    }

    private static func listen(_ port: UInt16, _ mode: Mode, _ identity: TLSIdentity) async throws {
        let intake = await EventLoop().own { _ in Intake(mode) }
        let acceptor: some Acceptor = try TLSServer(identity).over(StreamAcceptor(.loopback(port: port)))
        _ = try await acceptor.open(into: [intake])
    }

    private static func raiseDescriptorLimit() {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

enum Mode: String { case echo, sink, source }

/// One handler for all links: none of them has a state of its own.
private final class Intake: LinkIntake {
    private let handler: any LinkHandler

    init(_ mode: Mode) {
        handler =
            switch mode {
            case .echo: Echo()
            case .sink: Sink()
            case .source: Source()
            }
    }

    func accept(_ link: Link) -> (any LinkHandler)? { handler }
}

private final class Echo: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        link.write(bytes)
        return bytes.byteCount
    }
}

private final class Sink: LinkHandler {
    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}

private final class Source: LinkHandler {
    private let piece = [UInt8](repeating: 0, count: 16 << 10)

    func opened(_ link: Link) { fill(link) }
    func writable(_ link: Link) { fill(link) }
    private func fill(_ link: Link) { while !link.isFull, link.state == .open { link.write(piece) } }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { bytes.byteCount }
}
