import Glibc

/// A group of machines on one network: what one of them sends to its address all of them hear, and it itself too.
/// Nothing leaves that network.
public struct MulticastGroup: Sendable, Hashable {
    public let address: SocketAddress
    /// The address of this machine in that network; nil for where the default route goes.
    public let interface: SocketAddress?
    let membership: (group: UInt32, interface: UInt32)

    /// Nil unless it is 224.0.0.0 to 239.255.255.255 with a port, and the interface an address of IPv4.
    public init?(_ address: SocketAddress, through interface: SocketAddress? = nil) {
        guard case .ipv4(let group, let port) = address, group >> 28 == 0xe, port > 0 else { return nil }
        var own: UInt32 = 0
        if let interface {
            guard case .ipv4(let address, _) = interface else { return nil }
            own = address
        }
        (self.address, self.interface, membership) = (address, interface, (group, own))
    }

    /// What is said in the group: each machine is a link. Several processes of one user may listen at once.
    public var acceptor: DatagramAcceptor {
        var acceptor = DatagramAcceptor(address)
        acceptor.group = self
        acceptor.limits.flows = 256
        acceptor.limits.replacesAfter = .zero
        return acceptor
    }

    /// For what is said to all of it. Nothing comes back on such a link.
    public var dialer: DatagramDialer {
        var dialer = DatagramDialer(address)
        dialer.group = self
        return dialer
    }

    public static func == (one: MulticastGroup, other: MulticastGroup) -> Bool {
        one.address == other.address && one.interface == other.interface
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(address)
        hasher.combine(interface)
    }
}

extension MulticastGroup {
    /// The socket hears the group from now on.
    func join(with descriptor: Int32) throws(SystemError) {
        var request = ip_mreq()
        request.imr_multiaddr.s_addr = membership.group.bigEndian
        request.imr_interface.s_addr = membership.interface.bigEndian
        // Safe because the call reads the request and keeps nothing of it.
        let size = socklen_t(MemoryLayout<ip_mreq>.size)
        guard unsafe setsockopt(descriptor, Int32(IPPROTO_IP), IP_ADD_MEMBERSHIP, &request, size) == 0 else {
            throw SystemError.last
        }
    }
}

extension OwnedDescriptor {
    func speak(to group: MulticastGroup) throws(SystemError) {
        var own = in_addr(s_addr: group.membership.interface.bigEndian)
        // Safe because the call reads the address and keeps nothing of it.
        let size = socklen_t(MemoryLayout<in_addr>.size)
        guard unsafe setsockopt(number, Int32(IPPROTO_IP), IP_MULTICAST_IF, &own, size) == 0 else {
            throw SystemError.last
        }
    }
}
