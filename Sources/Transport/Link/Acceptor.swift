import Glibc
import OmniwayTelemetry

/// Where links come from: a listening socket, TLS over another acceptor, the far side of a gateway.
public protocol Acceptor: Sendable {
    /// Starts accepting. Each new link is given to the intake of the loop that owns it.
    func open<Intake: LinkIntake>(into intakes: [LoopBound<Intake>]) async throws(ListenError) -> Listening
}

/// Who takes new links: a face's part on one loop.
public protocol LinkIntake: AnyObject, SendableMetatype {
    /// A handler for the link, which is not open yet; nil refuses it.
    func accept(_ link: Link) -> (any LinkHandler)?
}

/// An open acceptor.
public struct Listening: Sendable {
    /// Where it listens, with the port that the system chose when it was asked for port 0.
    public let address: SocketAddress
    private let stopping: Stopping

    public init(address: SocketAddress, stop: @escaping @Sendable () async -> Void) {
        self.address = address
        stopping = Stopping(stop)
    }

    /// Accepts no more. Links that were accepted stay. A second call does nothing.
    public func stop() async { await stopping.once() }

    private final class Stopping: Sendable {
        private let work: Lock<(@Sendable () async -> Void)?>
        init(_ work: @escaping @Sendable () async -> Void) { self.work = Lock(work) }
        func once() async { await work.withLock { exchange(&$0, with: nil) }?() }
    }
}

/// How to ask for a link.
public protocol Dialer: Sendable {
    /// A connecting link, at once. Its handler hears `opened`, or `closed` with what went wrong; writes wait meanwhile.
    /// Nil when the loop has no room for another link.
    func dial(on loop: Loop, deadline: Duration, handler: any LinkHandler) -> Link?
}

public enum ListenError: Error, Equatable, CustomStringConvertible {
    case addressInUse(SocketAddress)
    case notPermitted(SocketAddress)
    case addressUnavailable(SocketAddress)
    case system(SocketAddress, SystemError)
    case unknownHost(String)
    /// Nobody has passed a socket of this name to the process.
    case notPassed(String)
    case noLoops
    /// What is to accept cannot be made as it was asked for.
    case misconfigured(String)

    public var description: String {
        switch self {
        case .addressInUse(let address):
            "cannot listen on \(address): it is in use; stop the process that has it, or choose another address"
        case .notPermitted(let address):
            "cannot listen on \(address): not permitted; choose a port above 1023 or give the process that right"
        case .addressUnavailable(let address):
            "cannot listen on \(address): this machine does not have that address; see `ip address` for those it has"
        case .system(let address, let error): "cannot listen on \(address): \(error)"
        case .unknownHost(let address):
            "cannot listen on \(address): no such host; write an address of this machine, or none before the colon"
        case .notPassed(let name):
            "cannot listen on fd:\(name): no such socket was passed; see FileDescriptorName= of its systemd unit, or "
                + "write host:port"
        case .noLoops: "cannot listen without a loop; pass at least one intake"
        case .misconfigured(let text): "cannot listen: \(text)"
        }
    }

    init(_ address: SocketAddress, _ error: SystemError) {
        if case .passed(let name) = address, error.number == ENOENT {
            self = .notPassed(name)
            return
        }
        self =
            switch error.number {
            case EADDRINUSE: .addressInUse(address)
            case EACCES, EPERM: .notPermitted(address)
            case EADDRNOTAVAIL: .addressUnavailable(address)
            default: .system(address, error)
            }
    }
}
