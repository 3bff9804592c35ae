/// What a message says in front of its body, on its way out.
package enum PomeloMessageHead: Equatable, Sendable {
    /// A route as it is written: by its text, or by its code in the dictionary.
    package enum Route: Equatable, Sendable {
        case text(String)
        case code(UInt16)
    }

    case request(id: UInt64, Route)
    case notify(Route)
    case response(id: UInt64, isError: Bool = false)
    case push(Route)

    /// Appends the heads of the packet and of the message, for a body of so many bytes. The body follows there, or is
    /// written to the link from where it is. When this throws, nothing was appended.
    package func append(to bytes: inout [UInt8], body count: Int, isCompressed: Bool = false) throws(PomeloError) {
        bytes.add(try start(body: count, isCompressed: isCompressed).bytes)
        switch route {
        case .text(let text)?:
            bytes.append(UInt8(text.utf8.count))
            bytes.append(contentsOf: text.utf8)
        case .code(let code)?:
            bytes.append(UInt8(code >> 8))
            bytes.append(UInt8(code & 0xff))
        case nil: break
        }
    }

    /// All of it but for the route, which stands between this and the body.
    package func start(body count: Int, isCompressed: Bool = false) throws(PomeloError) -> ShortBytes {
        let (kind, id, isError) = own
        let ownCount = 1 + (id.map(Varint.size) ?? 0) + (try route?.size ?? 0)
        var flag = kind.rawValue << 1
        if isError { flag |= PomeloMessage.Flag.error }
        if isCompressed { flag |= PomeloMessage.Flag.compressed }
        if case .code? = route { flag |= PomeloMessage.Flag.routeCode }
        var head = try PomeloPacket.head(.data, body: ownCount + count)
        head.append(flag)
        if let id { Varint.append(id, to: &head) }
        return head
    }

    /// Responses have none.
    package var hasRoute: Bool { route != nil }

    @inline(__always)
    private var own: (kind: PomeloMessage.Kind, id: UInt64?, isError: Bool) {
        switch self {
        case .request(let id, _): (.request, id, false)
        case .notify: (.notify, nil, false)
        case .response(let id, let isError): (.response, id, isError)
        case .push: (.push, nil, false)
        }
    }

    @inline(__always)
    private var route: Route? {
        switch self {
        case .request(_, let route), .notify(let route), .push(let route): route
        case .response: nil
        }
    }
}

extension PomeloMessageHead.Route {
    /// Bytes that it takes, its own length included.
    fileprivate var size: Int {
        get throws(PomeloError) {
            switch self {
            case .code: return 2
            case .text(let text):
                let count = text.utf8.count
                guard count <= 255 else { throw .routeTooLong(bytes: count) }
                return 1 + count
            }
        }
    }
}
