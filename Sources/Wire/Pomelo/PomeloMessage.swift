/// What a packet of data says, by its places among the packet's body: flag, id, route, body.
package struct PomeloMessage: Equatable, Sendable {
    /// In the protocol's words.
    package enum Kind: UInt8, Sendable, CaseIterable { case request, notify, response, push }

    package enum Route: Equatable, Sendable {
        case text(Range<Int>)
        /// To be looked up in the dictionary.
        case code(UInt16)
    }

    /// What a message can end within.
    package enum Part: String, Sendable { case flag, id, route }

    package enum Side: Sendable { case client, server }

    package let kind: Kind
    /// Zero where there is none. A request with id zero is run and not answered.
    package let id: UInt64
    /// Responses have none.
    package let route: Route?
    /// The body tells a `PomeloFailure`.
    package let isError: Bool
    /// The body is a zlib stream.
    package let isCompressed: Bool
    package let body: Range<Int>

    /// Reads the body of a packet. The kinds that a sender of this side does not send are refused: the reference
    /// answers a client's response with an error and runs its push, which serves nobody.
    package init(_ bytes: RawSpan, from sender: Side) throws(PomeloError) {
        var reader = ByteReader(bytes)
        guard let flag = reader.read(UInt8.self) else { throw .messageCut(.flag, bytes: bytes.byteCount) }
        let type = flag >> 1 & 7
        guard let kind = Kind(rawValue: type) else { throw .unknownMessageType(type) }
        guard kind.sender == sender else { throw .wrongWay(kind) }
        self.kind = kind
        id = kind.hasID ? try Self.id(&reader, bytes.byteCount) : 0
        route = kind.hasRoute ? try Self.route(&reader, flag, bytes.byteCount) : nil
        isError = kind == .response && flag & Flag.error != 0
        isCompressed = flag & Flag.compressed != 0
        body = reader.offset..<bytes.byteCount
    }

    private static func id(_ reader: inout ByteReader, _ count: Int) throws(PomeloError) -> UInt64 {
        do throws(Varint.ReadError) {
            return try reader.readVarint()
        } catch {
            switch error {
            case .cut: throw .messageCut(.id, bytes: count)
            case .tooLarge: throw .idTooLarge
            }
        }
    }

    private static func route(_ reader: inout ByteReader, _ flag: UInt8, _ count: Int) throws(PomeloError) -> Route {
        if flag & Flag.routeCode != 0, let code = reader.read(UInt16.self) { return .code(UInt16(bigEndian: code)) }
        guard flag & Flag.routeCode == 0, let length = reader.read(UInt8.self),
            let text = reader.readRange(Int(length))
        else { throw .messageCut(.route, bytes: count) }
        return .text(text)
    }

    /// Bits around the type. The two highest mean nothing.
    enum Flag {
        static let routeCode: UInt8 = 0x01
        static let compressed: UInt8 = 0x10
        static let error: UInt8 = 0x20
    }
}

extension PomeloMessage.Kind {
    var hasID: Bool { self == .request || self == .response }
    var hasRoute: Bool { self != .response }
    var sender: PomeloMessage.Side { self == .request || self == .notify ? .client : .server }
}
