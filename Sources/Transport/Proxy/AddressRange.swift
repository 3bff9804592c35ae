/// Addresses that share their first bits: `10.0.0.0/8`, `2001:db8::/32`, or one alone.
public struct AddressRange: Sendable, Equatable {
    private let first: SocketAddress
    private let bits: Int

    /// Every peer of a Unix socket, which has no address.
    public static let unix = AddressRange(first: .none, bits: 0)
    /// This machine, by IPv4 and by IPv6.
    public static let loopback = [
        AddressRange(first: .ipv4(0x7f00_0000, port: 0), bits: 8),
        AddressRange(first: .ipv6(high: 0, low: 1, port: 0), bits: 128),
    ]

    private init(first: SocketAddress, bits: Int) { (self.first, self.bits) = (first, bits) }

    /// Nil when it is no address, or has bits set behind its length: `10.0.0.1/8` is a mistake.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let host = parts.first, !host.isEmpty,
            let address = SocketAddress(host: String(host), port: 0)
        else { return nil }
        let width = if case .ipv4 = address { 32 } else { 128 }
        guard let bits = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(bits) else { return nil }
        let range = AddressRange(first: address, bits: bits)
        guard range.masked(address) == address else { return nil }
        // IPv4 within IPv6 is IPv4, in a range as in the address of a peer.
        if case (.ipv6, .ipv4) = (address, address.host), bits >= 96 {
            self = AddressRange(first: address.host, bits: bits - 96)
        } else {
            self = range
        }
    }

    public func contains(_ address: SocketAddress) -> Bool {
        switch (first, address.host) {
        case (.ipv4, .ipv4), (.ipv6, .ipv6), (.none, .none): masked(address.host) == first
        case (.ipv4, _), (.ipv6, _), (.unix, _), (.passed, _), (.none, _): false
        }
    }

    /// The address with nothing behind the bits of this range. Scopes belong to a machine, not to a range.
    private func masked(_ address: SocketAddress) -> SocketAddress {
        switch address {
        case .ipv4(let number, _): .ipv4(bits == 0 ? 0 : number & UInt32.max << (32 - UInt32(bits)), port: 0)
        case .ipv6(let high, let low, _, _):
            .ipv6(
                high: bits >= 64 ? high : bits == 0 ? 0 : high & UInt64.max << (64 - UInt64(bits)),
                low: bits <= 64 ? 0 : low & UInt64.max << (128 - UInt64(bits)), port: 0)
        case .unix, .passed, .none: .none
        }
    }
}
