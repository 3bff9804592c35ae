/// What a peer and a gateway say to each other besides messages. The dialects say the same in different words: what one
/// of them does not carry is zero after reading, and left out in writing.
public enum GatewayCommand: Hashable, Sendable {
    /// Asks for an id (v1).
    case new
    /// The id that was asked for (v1).
    case open(ConnectionID)
    /// Asks for a virtual connection. In v1 the dialler has its id already.
    case dial(EndpointID, as: ConnectionID)
    /// To the dialler: the connection exists, and this endpoint is at its other end. In v1 to both ends.
    case accept(ConnectionID, EndpointID)
    /// To the end that was dialled (v2).
    case connect(ConnectionID, EndpointID)
    /// There is no connection. v2 names whom the dialler asked for, v1 the id that it used.
    case refuse(EndpointID, as: ConnectionID)
    case close(ConnectionID)
    case ping
}

extension GatewayCodec {
    /// The command in the payload of a frame. Bytes behind its arguments mean nothing.
    public func command(_ payload: RawSpan) throws(GatewayError) -> GatewayCommand {
        var reader = ByteReader(payload)
        guard let type = reader.read(UInt8.self) else { throw .emptyCommand }
        let arguments = (reader.read(UInt32.self), reader.read(UInt32.self))
        func need(_ argument: UInt32?) throws(GatewayError) -> UInt32 {
            guard let argument else { throw .commandTooShort(type: type, length: payload.byteCount) }
            return argument
        }
        func connection() throws(GatewayError) -> ConnectionID { ConnectionID(rawValue: try need(arguments.0)) }
        func endpoint(_ argument: UInt32?) throws(GatewayError) -> EndpointID {
            EndpointID(rawValue: try need(argument))
        }

        switch (dialect, type) {
        case (.v1, 0): return .new
        case (.v1, 1): return .open(try connection())
        case (.v1, 2): return .dial(try endpoint(arguments.1), as: try connection())
        case (.v1, 3): return .refuse(0, as: try connection())
        case (.v1, 4): return .accept(try connection(), try endpoint(arguments.1))
        case (.v1, 5): return .close(try connection())
        case (.v1, 6): return .ping
        case (.v2, 0): return .dial(try endpoint(arguments.0), as: 0)
        case (.v2, 1): return .accept(try connection(), try endpoint(arguments.1))
        case (.v2, 2): return .connect(try connection(), try endpoint(arguments.1))
        case (.v2, 3): return .refuse(try endpoint(arguments.0), as: 0)
        case (.v2, 4): return .close(try connection())
        case (.v2, 5): return .ping
        case (.v1, _), (.v2, _): throw .unknownCommand(type)
        }
    }

    /// The frame of a command.
    public func bytes(of command: GatewayCommand) -> GatewayCommandBytes {
        switch (dialect, command) {
        case (.v1, .new): GatewayCommandBytes(0)
        case (.v1, .open(let id)): GatewayCommandBytes(1, id.rawValue)
        case (.v1, .dial(let remote, let id)): GatewayCommandBytes(2, id.rawValue, remote.rawValue)
        case (.v1, .refuse(_, let id)): GatewayCommandBytes(3, id.rawValue)
        case (.v1, .accept(let id, let remote)), (.v1, .connect(let id, let remote)):
            GatewayCommandBytes(4, id.rawValue, remote.rawValue)
        case (.v1, .close(let id)): GatewayCommandBytes(5, id.rawValue)
        case (.v1, .ping): GatewayCommandBytes(6)
        case (.v2, .new), (.v2, .open): preconditionFailure("v2 has no \(command): its gateway gives ids by itself")
        case (.v2, .dial(let remote, _)): GatewayCommandBytes(0, remote.rawValue)
        case (.v2, .accept(let id, let remote)): GatewayCommandBytes(1, id.rawValue, remote.rawValue)
        case (.v2, .connect(let id, let remote)): GatewayCommandBytes(2, id.rawValue, remote.rawValue)
        case (.v2, .refuse(let remote, _)): GatewayCommandBytes(3, remote.rawValue)
        case (.v2, .close(let id)): GatewayCommandBytes(4, id.rawValue)
        case (.v2, .ping): GatewayCommandBytes(5)
        }
    }
}

/// The frame of one command, without memory of its own.
public struct GatewayCommandBytes: Sendable {
    private var storage = InlineArray<17, UInt8>(repeating: 0)
    private let count: Int

    fileprivate init(_ type: UInt8) {
        count = 9
        put(5, at: 0)
        storage[8] = type
    }

    fileprivate init(_ type: UInt8, _ argument: UInt32) {
        count = 13
        put(9, at: 0)
        storage[8] = type
        put(argument, at: 9)
    }

    fileprivate init(_ type: UInt8, _ first: UInt32, _ second: UInt32) {
        count = 17
        put(13, at: 0)
        storage[8] = type
        put(first, at: 9)
        put(second, at: 13)
    }

    private mutating func put(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { storage[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
    }

    public var span: RawSpan {
        @_lifetime(borrow self) get {
            unsafe storage.span.bytes.extracting(first: count)  // Safe because bytes have no padding.
        }
    }
}

extension GatewayCodec {
    /// What stands in front of a payload of so many bytes.
    public static func header(of connection: ConnectionID, payload count: Int) -> InlineArray<8, UInt8> {
        let words = UInt64(connection.rawValue) << 32 | UInt64(UInt32(4 + count))
        var header = InlineArray<8, UInt8>(repeating: 0)
        for index in 0..<8 { header[index] = UInt8(truncatingIfNeeded: words >> (8 * UInt64(index))) }
        return header
    }
}
