import Glibc
import OmniwayTelemetry

/// The sockets on which this process listens, and those that it was given to listen on: by systemd at its start, or by
/// the process whose place it takes. Whoever listens asks here first, so a given socket is found by its name
/// (`fd:web`), by the address that its last owner was asked for, or by the one that it has.
public final class ListeningSockets: Sendable {
    public static let shared = ListeningSockets()

    package enum Kind: String, Sendable { case stream, datagram }

    private struct Given {
        let descriptor: Int32
        let kind: Kind
        let name: String?
        let asked: SocketAddress?
        let isOthers: Bool
        let isFromPredecessor: Bool
    }

    private struct Open {
        let descriptor: Int32
        let kind: Kind
        /// What the owner was asked for: port 0 stays port 0.
        let asked: SocketAddress
        /// The path of a Unix socket is somebody else's to remove.
        let isOthers: Bool
        var listening: Listening?
    }

    private struct State {
        var given: [Given] = []
        /// In the order in which they were opened.
        var open: [Open] = []
        /// Nobody is accepted on what a predecessor gave before it stops.
        var isHolding = false
        var held: [@Sendable () async -> Void] = []
        var isHandedOver = false
    }
    private let state = Lock(State())

    init() {}

    // MARK: Given

    /// Takes what systemd has passed to this process: `$LISTEN_FDS` descriptors from 3 on, with `$LISTEN_FDNAMES`.
    /// Before anything else is opened.
    public func takeFromSupervisor(_ environment: [String: String]) {
        guard environment["LISTEN_PID"] == "\(getpid())", let count = Int32(environment["LISTEN_FDS"] ?? ""),
            (1...4096).contains(count)
        else { return }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        for (index, descriptor) in (3..<3 + count).enumerated() {
            let name = names.indices.contains(index) ? String(names[index]) : "\(index)"
            if !give(descriptor, name: name, asked: nil, isOthers: true, isFromPredecessor: false) {
                Log.shared.warning(
                    "a passed descriptor is no socket that listens", ["name": name, "number": "\(descriptor)"])
            }
        }
    }

    /// A socket of the predecessor. Closed if it is none that listens.
    package func give(_ descriptor: consuming OwnedDescriptor, asked: SocketAddress, name: String?, isOthers: Bool) {
        let number = descriptor.release()
        if !give(number, name: name, asked: asked, isOthers: isOthers, isFromPredecessor: true) { Glibc.close(number) }
    }

    private func give(
        _ descriptor: Int32, name: String?, asked: SocketAddress?, isOthers: Bool, isFromPredecessor: Bool
    ) -> Bool {
        guard let kind = Self.kind(descriptor) else { return false }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        state.withLock {
            $0.given.append(
                Given(
                    descriptor: descriptor, kind: kind, name: name, asked: asked, isOthers: isOthers,
                    isFromPredecessor: isFromPredecessor))
        }
        return true
    }

    /// Nil for what is no socket to listen on.
    private static func kind(_ descriptor: Int32) -> Kind? {
        guard let type = option(descriptor, SO_TYPE) else { return nil }
        if type == Int32(SOCK_DGRAM.rawValue) { return .datagram }
        return type == Int32(SOCK_STREAM.rawValue) && option(descriptor, SO_ACCEPTCONN) == 1 ? .stream : nil
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // Safe because the call is told how long the value is.
        return unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }

    /// What was given and nobody has listened on yet.
    public var unused: [String] {
        state.withLock { $0.given.map { $0.name.map { "fd:\($0)" } ?? $0.asked.map { "\($0)" } ?? "" } }
    }

    /// Closes what was given and nobody wants.
    public func closeUnused() {
        for given in state.withLock({ exchange(&$0.given, with: []) }) { Glibc.close(given.descriptor) }
    }

    // MARK: Opening

    /// A socket that listens, or one that is bound to receive datagrams.
    struct Opened {
        let descriptor: Int32
        let local: SocketAddress
        /// Others may bind to the same port.
        let sharesPort: Bool
        let isGiven: Bool
    }

    func open(
        _ address: SocketAddress, _ kind: Kind, sharesPort: Bool, _ options: SocketOptions = SocketOptions()
    ) throws(SystemError) -> Opened {
        if let given = takeGiven(address, kind) {
            let shares = Self.option(given.descriptor, SO_REUSEPORT) == 1
            return add(given.descriptor, kind, address, isOthers: given.isOthers, shares, isGiven: true)
        }
        if case .passed = address { throw SystemError(number: ENOENT) }
        let socket: OwnedDescriptor
        switch kind {
        case .stream:
            if case .unix(let path) = address { try Self.removeStale(path, address) }
            socket = try .listening(
                on: address, sharesPort: sharesPort, backlog: options.backlog, fileMode: options.fileMode)
        case .datagram: socket = try .bound(to: address, SOCK_DGRAM, sharesPort: sharesPort)
        }
        return add(socket.release(), kind, address, isOthers: false, sharesPort, isGiven: false)
    }

    private func takeGiven(_ address: SocketAddress, _ kind: Kind) -> Given? {
        state.withLock { state in
            func first(_ matches: (Given) -> Bool) -> Int? {
                state.given.firstIndex { $0.kind == kind && matches($0) }
            }
            let index =
                if case .passed(let name) = address {
                    first { $0.name == name }
                } else {
                    first { $0.asked == address } ?? first { Self.local($0.descriptor) == address }
                }
            return index.map { state.given.remove(at: $0) }
        }
    }

    private static func local(_ descriptor: Int32) -> SocketAddress {
        unsafe SocketAddress.read { unsafe getsockname(descriptor, $0, $1) } ?? .none
    }

    private func add(
        _ descriptor: Int32, _ kind: Kind, _ asked: SocketAddress, isOthers: Bool, _ sharesPort: Bool, isGiven: Bool
    ) -> Opened {
        state.withLock {
            $0.open.append(Open(descriptor: descriptor, kind: kind, asked: asked, isOthers: isOthers))
        }
        return Opened(
            descriptor: descriptor, local: Self.local(descriptor), sharesPort: sharesPort, isGiven: isGiven)
    }

    /// A socket file that nobody answers at is left from a process that ended; one that answers is in use.
    private static func removeStale(_ path: String, _ address: SocketAddress) throws(SystemError) {
        guard !path.hasPrefix("@") else { return }
        let probe = try OwnedDescriptor.socket(AF_UNIX, SOCK_STREAM)
        let result = unsafe address.withSystemAddress { unsafe connect(probe.number, $0, $1) }
        if result == 0 { throw SystemError(number: EADDRINUSE) }
        if errno == ECONNREFUSED { _ = unsafe unlink(path) }
    }

    /// Closes an open socket, and removes the file of one that nobody else has.
    func close(_ descriptor: Int32) {
        let path: String? = state.withLock { state in
            guard let index = state.open.firstIndex(where: { $0.descriptor == descriptor }) else { return nil }
            let open = state.open.remove(at: index)
            guard case .unix(let path) = open.asked, !path.hasPrefix("@"), !open.isOthers, !state.isHandedOver else {
                return nil
            }
            return path
        }
        Glibc.close(descriptor)
        if let path { _ = unsafe unlink(path) }
    }

    // MARK: Taking the place of another process

    /// From now on what a predecessor gave is opened, and nobody is accepted on it before `goOn`.
    package func hold() { state.withLock { $0.isHolding = true } }

    /// Runs `start` at once, or when the predecessor has stopped. False when it waits.
    func whenAlone(_ start: @escaping @Sendable () async -> Void) -> Bool {
        state.withLock { state in
            if state.isHolding { state.held.append(start) }
            return !state.isHolding
        }
    }

    /// The predecessor accepts no more.
    package func goOn() async {
        let held = state.withLock { state in
            state.isHolding = false
            return exchange(&state.held, with: [])
        }
        for start in held { await start() }
    }

    // MARK: Giving its place to another process

    var isHandedOver: Bool { state.withLock { $0.isHandedOver } }

    /// What has to be stopped when the sockets are somebody else's.
    func attach(_ listening: Listening, to descriptors: [Int32]) {
        state.withLock { state in
            for index in state.open.indices where descriptors.contains(state.open[index].descriptor) {
                state.open[index].listening = listening
            }
        }
    }

    package struct Copy: ~Copyable {
        package let asked: SocketAddress
        package let kind: Kind
        package let name: String?
        package let isOthers: Bool
        package let descriptor: OwnedDescriptor
    }

    /// Calls `body` with a copy of each socket that is open or waits for its use, in the order of their opening.
    package func forEachCopy<E: Error>(_ body: (consuming Copy) throws(E) -> Void) throws(E) {
        for index in 0... {
            let copy: (Int32, SocketAddress, Kind, String?, Bool)? = state.withLock { state in
                if state.open.indices.contains(index) {
                    let open = state.open[index]
                    var name: String?
                    if case .passed(let its) = open.asked { name = its }
                    return (fcntl(open.descriptor, F_DUPFD_CLOEXEC, 0), open.asked, open.kind, name, open.isOthers)
                }
                let next = index - state.open.count
                guard state.given.indices.contains(next) else { return nil }
                let given = state.given[next]
                let number = fcntl(given.descriptor, F_DUPFD_CLOEXEC, 0)
                return (number, given.asked ?? .none, given.kind, given.name, given.isOthers)
            }
            guard let (number, asked, kind, name, isOthers) = copy else { return }
            guard number >= 0 else { continue }
            try body(
                Copy(
                    asked: asked, kind: kind, name: name, isOthers: isOthers, descriptor: OwnedDescriptor(number)))
        }
    }

    /// Another process accepts on the sockets from now on: this one stops at once, and leaves the files of Unix sockets
    /// where they are.
    package func letGo() async {
        let listening = state.withLock { state in
            state.isHandedOver = true
            return state.open.compactMap(\.listening)
        }
        for listening in listening { await listening.stop() }
        closeUnused()
    }
}
