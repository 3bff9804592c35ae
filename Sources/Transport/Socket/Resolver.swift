import Glibc

/// Names to addresses, by the system's resolver on a helper thread.
enum Resolver {
    struct Failure: Error, Sendable { let text: String }

    /// Addresses of a host, families taking turns, the resolver's favourite first (RFC 8305, section 4).
    static func lookUp(_ target: HostPort) -> Result<[SocketAddress], Failure> {
        if let address = SocketAddress(host: target.host, port: target.port), !target.host.isEmpty {
            return .success([address])
        }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var first: UnsafeMutablePointer<addrinfo>?
        let error = unsafe getaddrinfo(target.host, nil, &hints, &first)
        guard error == 0 else {
            let text = unsafe error == EAI_SYSTEM ? SystemError.last.description : String(cString: gai_strerror(error))
            return .failure(Failure(text: "\(target.host): \(text)"))
        }
        defer { unsafe freeaddrinfo(first) }
        var found: [SocketAddress] = []
        var entry = unsafe first
        while let current = unsafe entry {
            if let address = unsafe address(current.pointee, port: target.port), !found.contains(address) {
                found.append(address)
            }
            unsafe entry = current.pointee.ai_next
        }
        return found.isEmpty ? .failure(Failure(text: "\(target.host): no address")) : .success(takingTurns(found))
    }

    private static func address(_ info: addrinfo, port: UInt16) -> SocketAddress? {
        guard let from = unsafe info.ai_addr, unsafe Int(info.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size else {
            return nil
        }
        var storage = sockaddr_storage()
        // Safe because the length was just checked.
        unsafe withUnsafeMutableBytes(of: &storage) {
            unsafe $0.copyMemory(from: .init(start: from, count: Int(info.ai_addrlen)))
        }
        return SocketAddress(storage, length: unsafe info.ai_addrlen).with(port: port)
    }

    static func takingTurns(_ addresses: [SocketAddress]) -> [SocketAddress] {
        guard let favourite = addresses.first?.family else { return [] }
        var first = addresses.filter { $0.family == favourite }[...]
        var second = addresses.filter { $0.family != favourite }[...]
        var ordered: [SocketAddress] = []
        while !first.isEmpty || !second.isEmpty {
            if let next = first.popFirst() { ordered.append(next) }
            if let next = second.popFirst() { ordered.append(next) }
        }
        return ordered
    }
}

extension SocketAddress {
    /// The address in a text, or the first one of a host that it names. It may block: for the start of a program.
    public init?(resolving text: String) {
        if let address = SocketAddress(text) {
            self = address
        } else if let target = HostPort(text), case .success(let found) = Resolver.lookUp(target),
            let first = found.first
        {
            self = first
        } else {
            return nil
        }
    }
}
