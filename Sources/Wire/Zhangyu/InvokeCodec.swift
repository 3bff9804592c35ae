/// The frames of the invoker: a big-endian 64-bit length, then a JSON object `{"data":{…},"type":"1"}`, whose type is
/// "1" for a request and "2" for a response.
public struct InvokeCodec: Sendable {
    /// Most bytes behind a length.
    public let maxFrameSize: Int

    public init(maxFrameSize: Int = 1 << 20) {
        precondition(maxFrameSize >= 2 && maxFrameSize <= 64 << 20, "a frame size from 2 bytes to 64 MiB")
        self.maxFrameSize = maxFrameSize
    }

    /// Bytes in front of a JSON text.
    public static let headerSize = 8

    // MARK: Reading

    /// Where the JSON text of the whole frame that begins at `offset` is; nil until more bytes have arrived.
    package func frame(in bytes: RawSpan, at offset: Int = 0) throws(InvokeError) -> Range<Int>? {
        guard bytes.byteCount - offset >= Self.headerSize else { return nil }
        // Safe because eight bytes are there, and every bit pattern is an integer.
        let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Int64.self)
        let length = Int(Int64(bigEndian: word))
        guard length >= 2, length <= maxFrameSize else { throw .frameSize(length, limit: maxFrameSize) }
        let start = offset + Self.headerSize
        return bytes.byteCount - start >= length ? start..<start + length : nil
    }

    /// What the JSON text of one frame says. Keys are found without regard to case, as the original finds them.
    package func message(_ json: RawSpan) throws(InvokeError) -> InvokeMessage {
        let envelope = try object(json)
        guard case .string(let type)? = envelope[anyCase: "type"] else { throw .malformed("its type is no string") }
        guard case .object(let data)? = envelope[anyCase: "data"] else { throw .malformed("its data is no object") }
        let (id, body) = (try text(data, "RequestId"), try text(data, "JsonBody"))
        let headers = try headers(data)
        switch type {
        case "1":
            return .request(InvokeRequest(id: id, path: try text(data, "Path"), headers: headers, body: body))
        case "2":
            let code: Int
            do throws(JSON.Mismatch) {
                code = try data[anyCase: "ResultCode"]?.ifNotNull?.int() ?? 0
            } catch { throw .malformed("its ResultCode is no whole number") }
            let message = try text(data, "ResultMessage")
            return .response(InvokeResponse(to: id, InvokeCode(code), message: message, headers: headers, body: body))
        default: throw .malformed("its type is neither 1 nor 2")
        }
    }

    /// An object of JSON within the limits of a frame: what a carrier's first frame is too.
    package func object(_ bytes: RawSpan) throws(InvokeError) -> JSON.Object {
        let json: JSON
        do throws(JSON.ReadError) { json = try Self.reader.read(bytes) } catch { throw .malformed("\(error)") }
        guard case .object(let object) = json else { throw .malformed("it is no object") }
        return object
    }

    /// Bodies are texts within a text, so frames are flat; a peer that nests wants to cost something.
    private static let reader = JSON.Reader(
        malformedText: .replace, duplicateKeys: .keepLast, limits: .init(bytes: 64 << 20, depth: 16, values: 4096))

    private func text(_ object: JSON.Object, _ name: String) throws(InvokeError) -> String {
        guard let value = object[anyCase: name]?.ifNotNull else { return "" }
        guard case .string(let text) = value else { throw .malformed("its \(name) is no string") }
        return text
    }

    private func headers(_ object: JSON.Object) throws(InvokeError) -> InvokeHeaders {
        guard let value = object[anyCase: "Header"]?.ifNotNull else { return InvokeHeaders() }
        guard case .object(let members) = value else { throw .malformed("its Header is no object") }
        return try Self.headers(members)
    }

    package static func headers(_ members: JSON.Object) throws(InvokeError) -> InvokeHeaders {
        guard members.count <= mostHeaders else { throw .malformed("it has more than \(mostHeaders) headers") }
        var headers = InvokeHeaders()
        for (name, value) in members {
            guard case .string(let text) = value else { throw .malformed("its header \(name) is no string") }
            headers[name] = text
        }
        return headers
    }
    private static let mostHeaders = 256

    // MARK: Writing

    /// Appends a whole frame. One that the peer would refuse is not written.
    package func write(_ message: InvokeMessage, to bytes: inout [UInt8]) throws(InvokeError) {
        try writeFrame(to: &bytes) { envelope in
            envelope.object("data") { Self.write(message, to: &$0) }
            switch message {
            case .request: envelope.member("type", "1")
            case .response: envelope.member("type", "2")
            }
        }
    }

    /// Appends a frame whose members the closure gives.
    package func writeFrame(
        to bytes: inout [UInt8], _ members: (inout JSON.ObjectWriter) -> Void
    ) throws(InvokeError) {
        let start = bytes.count
        bytes += [UInt8](repeating: 0, count: Self.headerSize)
        JSON.Writer(escaping: .go).writeObject(to: &bytes, members)
        let length = bytes.count - start - Self.headerSize
        guard length <= maxFrameSize else {
            bytes.removeSubrange(start...)
            throw .frameSize(length, limit: maxFrameSize)
        }
        for index in 0..<8 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> (56 - 8 * index)) }
    }

    private static func write(_ message: InvokeMessage, to data: inout JSON.ObjectWriter) {
        switch message {
        case .request(let request):
            write(request.id, request.headers, request.body, to: &data)
            data.member("Path", request.path)
        case .response(let response):
            write(response.id, response.headers, response.body, to: &data)
            data.member("ResultCode", response.code.number)
            data.member("ResultMessage", response.message)
        }
    }

    private static func write(
        _ id: String, _ headers: InvokeHeaders, _ body: String, to data: inout JSON.ObjectWriter
    ) {
        data.member("RequestId", id)
        data.object("Header") { for (name, value) in headers { $0.member(name, value) } }
        data.member("JsonBody", body)
    }
}

/// What is wrong with what an invoker sent. It costs the sender its connection.
public enum InvokeError: Error, Equatable, Sendable, CustomStringConvertible {
    case frameSize(Int, limit: Int)
    case malformed(String)

    /// The code that logs and answers give it.
    public var code: InvokeCode {
        switch self {
        case .frameSize: .tooLarge
        case .malformed: .failed
        }
    }

    public var description: String {
        switch self {
        case .frameSize(let length, let limit):
            "a frame says that it has \(length) bytes; from 2 to \(limit) are allowed"
        case .malformed(let what): "a frame cannot be read: \(what)"
        }
    }
}
