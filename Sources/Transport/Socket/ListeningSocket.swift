import CSystem
import Glibc

/// What is set on every stream socket.
public struct SocketOptions: Sendable, Equatable {
    /// Small writes leave at once.
    public var noDelay = true
    /// The kernel asks a silent peer whether it still lives after this long; zero means never.
    public var keepAlive = Duration.seconds(60)
    /// Most time that sent bytes may stay unacknowledged before the kernel gives the peer up; zero leaves it to the
    /// kernel.
    public var userTimeout = Duration.zero
    /// Most bytes that the kernel takes before it has sent them, so that what is written next is decided late; zero
    /// leaves it to the kernel.
    public var mostUnsent = 0
    /// Connections that the kernel holds for a listener that has not accepted them yet.
    public var backlog: Int32 = 4096
    /// Who may connect to a listening Unix socket, as for files; nil leaves it to the process's umask.
    public var fileMode: UInt32?
    public init() {}

    func apply(to descriptor: Int32, family: Int32) {
        guard family != AF_UNIX else { return }
        if noDelay { set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        let seconds = keepAlive.components.seconds
        if seconds > 0 {
            set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
            set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, Int32(clamping: seconds))
            set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, Int32(clamping: max(1, seconds / 4)))
        }
        let milliseconds = userTimeout.nanoseconds / 1_000_000
        if milliseconds > 0 { set(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(clamping: milliseconds)) }
        if mostUnsent > 0 { set(descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, Int32(clamping: mostUnsent)) }
    }
}

/// Sets one integer option. A socket that does not know it works without.
func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    _ = unsafe withUnsafePointer(to: value) {
        unsafe setsockopt(descriptor, level, option, $0, socklen_t(MemoryLayout<Int32>.size))
    }
}

extension OwnedDescriptor {
    /// A socket that does not block and is not inherited.
    static func socket(_ family: Int32, _ type: __socket_type) throws(SystemError) -> OwnedDescriptor {
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(family, Int32(type.rawValue) | flags, 0)
        if descriptor < 0 { throw SystemError.last }
        return OwnedDescriptor(descriptor)
    }

    /// A bound socket that listens. `:port` takes both families, or IPv4 alone where there is no IPv6.
    package static func listening(
        on address: SocketAddress, sharesPort: Bool = false, backlog: Int32 = 16, fileMode: UInt32? = nil
    ) throws(SystemError) -> OwnedDescriptor {
        do throws(SystemError) {
            let socket = try bound(to: address, SOCK_STREAM, sharesPort: sharesPort, fileMode: fileMode)
            if listen(socket.number, backlog) != 0 { throw SystemError.last }
            return socket
        } catch {
            guard case .ipv6(0, 0, let port, _) = address, error.number == EAFNOSUPPORT else { throw error }
            return try listening(on: .ipv4(0, port: port), sharesPort: sharesPort, backlog: backlog)
        }
    }

    static func bound(
        to address: SocketAddress, _ type: __socket_type, sharesPort: Bool, fileMode: UInt32? = nil
    ) throws(SystemError) -> OwnedDescriptor {
        let socket = try socket(address.family, type)
        set(socket.number, SOL_SOCKET, SO_REUSEADDR, type == SOCK_STREAM ? 1 : 0)
        if sharesPort { set(socket.number, SOL_SOCKET, SO_REUSEPORT, 1) }
        if address.family == AF_INET6 { set(socket.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        // Before the file is there: nobody may connect to it in between.
        if let fileMode, address.family == AF_UNIX, fchmod(socket.number, fileMode) != 0 { throw SystemError.last }
        let result = unsafe address.withSystemAddress { unsafe bind(socket.number, $0, $1) }
        if result != 0 { throw SystemError.last }
        return socket
    }

    package var localAddress: SocketAddress {
        let number = number
        return unsafe SocketAddress.read { unsafe getsockname(number, $0, $1) } ?? .none
    }
}
