import FoundationEssentials
import OmniwayTesting
import OmniwayWire
import Testing

/// What the original's encoder made of the messages between servers.
@Suite struct PomeloProtosTests {
    private struct File: Decodable {
        struct Entry: Decodable {
            let name: String
            let message: String
            let bytes: Hex
            let fields: Fields
        }
        let messages: [Entry]
    }

    /// All fields of all messages; a file has those of one that are not zero.
    private struct Fields: Decodable {
        struct Session: Decodable {
            var id: Int64?
            var uid: String?
            var data: Data?
        }
        struct Msg: Decodable {
            var id: UInt64?
            var route: String?
            var data: Data?
            var reply: String?
            var type: Int32?
        }
        struct Failure: Decodable {
            var code: String?
            var msg: String?
            var metadata: [String: String]?
        }
        var type: Int32?
        var session: Session?
        var msg: Either?
        var frontendID: String?
        var metadata: Map?
        var data: Data?
        var error: Failure?
        var code, uid, route, reply, userId, fid, doc: String?
        var kicked, getProtos: Bool?
        var name: [String]?
        var desc: [Data]?
        var id: Number?
    }

    /// `msg` is a message of a request, and the text of an error.
    private enum Either: Decodable {
        case msg(Fields.Msg), text(String)
        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                self = .text(text)
            } else {
                self = .msg(try Fields.Msg(from: decoder))
            }
        }
    }

    /// `metadata` is bytes of a request, and a map of an error.
    private enum Map: Decodable {
        case bytes(Data), map([String: String])
        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let map = try? value.decode([String: String].self) {
                self = .map(map)
            } else {
                self = .bytes(try value.decode(Data.self))
            }
        }
    }

    private struct Number: Decodable {
        let bits: UInt64
        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(Int64.self) {
                bits = UInt64(bitPattern: number)
            } else {
                // The file rounds the largest number up to 18446744073709552000.
                bits = UInt64(exactly: try value.decode(Double.self)) ?? .max
            }
        }
    }

    private func session(_ fields: Fields.Session) -> PomeloProtos.Session {
        PomeloProtos.Session(id: fields.id ?? 0, uid: fields.uid ?? "", data: Array(fields.data ?? Data()))
    }

    private func msg(_ fields: Fields.Msg) -> PomeloProtos.Msg {
        PomeloProtos.Msg(
            id: fields.id ?? 0, route: fields.route ?? "", data: Array(fields.data ?? Data()),
            reply: fields.reply ?? "", type: .init(rawValue: fields.type ?? 0))
    }

    private func request(_ fields: Fields) -> PomeloProtos.Request {
        var request = PomeloProtos.Request(
            type: .init(rawValue: fields.type ?? 0), session: fields.session.map(session),
            frontendID: fields.frontendID ?? "")
        if case .msg(let fields)? = fields.msg { request.msg = msg(fields) }
        if case .bytes(let data)? = fields.metadata { request.metadata = Array(data) }
        return request
    }

    private func response(_ fields: Fields) -> PomeloProtos.Response {
        let error = fields.error.map {
            PomeloFailure(code: $0.code ?? "", message: $0.msg ?? "", metadata: $0.metadata ?? [:])
        }
        return PomeloProtos.Response(data: Array(fields.data ?? Data()), error: error)
    }

    private func failure(_ fields: Fields) -> PomeloFailure {
        var failure = PomeloFailure(code: fields.code ?? "")
        if case .text(let text)? = fields.msg { failure.message = text }
        if case .map(let map)? = fields.metadata { failure.metadata = map }
        return failure
    }

    /// Whether the bytes are read as the message, and the message is written as the bytes.
    private func check<Message: Equatable>(
        _ entry: File.Entry, _ message: Message, _ written: [UInt8], _ read: (RawSpan) throws -> Message
    ) throws {
        #expect(written == entry.bytes.bytes, "\(entry.name)")
        #expect(try lending(entry.bytes.bytes, read) == message, "\(entry.name)")
        for cut in entry.bytes.bytes.indices {
            // Cut between two fields it is another message; nowhere does it trap.
            _ = try? lending(Array(entry.bytes.bytes[..<cut]), read)
        }
        let unknown: [UInt8] = [0xf8, 0x07, 0x01, 0xfa, 0x07, 0x01, 0x00, 0xfb, 0x07, 0x08, 0x01, 0xfc, 0x07]
        #expect(try lending(unknown + entry.bytes.bytes + unknown, read) == message, "\(entry.name)")
    }

    @Test func `messages are written and read as the original does it`() throws {
        let entries = try Vectors.decode(File.self, from: "pitaya-protobuf").messages
        #expect(entries.count == 27)
        for entry in entries {
            let fields = entry.fields
            switch entry.message {
            case "Request":
                let request = request(fields)
                try check(entry, request, request.protobuf) { try .init(protobuf: $0) }
            case "Response":
                let response = response(fields)
                try check(entry, response, response.protobuf) { try .init(protobuf: $0) }
            case "Error":
                let failure = failure(fields)
                try check(entry, failure, failure.protobuf) { try .init(protobuf: $0) }
            case "Session":
                let id = fields.id.map { Int64(bitPattern: $0.bits) }
                let session = session(.init(id: id, uid: fields.uid, data: fields.data))
                try check(entry, session, session.protobuf) { try .init(protobuf: $0) }
            case "Msg":
                let msg = msg(
                    .init(
                        id: fields.id?.bits, route: fields.route, data: fields.data, reply: fields.reply,
                        type: fields.type))
                try check(entry, msg, msg.protobuf) { try .init(protobuf: $0) }
            default: try checkSmall(entry)
            }
        }
    }

    private func checkSmall(_ entry: File.Entry) throws {
        let fields = entry.fields
        switch entry.message {
        case "Push":
            let data = Array(fields.data ?? Data())
            let push = PomeloProtos.Push(route: fields.route ?? "", uid: fields.uid ?? "", data: data)
            try check(entry, push, push.protobuf) { try .init(protobuf: $0) }
        case "KickMsg":
            let kick = PomeloProtos.KickMsg(userId: fields.userId ?? "")
            try check(entry, kick, kick.protobuf) { try .init(protobuf: $0) }
        case "KickAnswer":
            let answer = PomeloProtos.KickAnswer(kicked: fields.kicked ?? false)
            try check(entry, answer, answer.protobuf) { try .init(protobuf: $0) }
        case "BindMsg":
            let bind = PomeloProtos.BindMsg(uid: fields.uid ?? "", fid: fields.fid ?? "")
            try check(entry, bind, bind.protobuf) { try .init(protobuf: $0) }
        case "Doc":
            let doc = PomeloProtos.Doc(doc: fields.doc ?? "")
            try check(entry, doc, doc.protobuf) { try .init(protobuf: $0) }
        case "DocMsg":
            let message = PomeloProtos.DocMsg(getProtos: fields.getProtos ?? false)
            try check(entry, message, message.protobuf) { try .init(protobuf: $0) }
        case "ProtoNames":
            let names = PomeloProtos.ProtoNames(name: fields.name ?? [])
            try check(entry, names, names.protobuf) { try .init(protobuf: $0) }
        case "ProtoDescriptors":
            let descriptors = PomeloProtos.ProtoDescriptors(desc: (fields.desc ?? []).map { Array($0) })
            try check(entry, descriptors, descriptors.protobuf) { try .init(protobuf: $0) }
        default: Issue.record("nobody knows \(entry.message)")
        }
    }

    // MARK: What Go's decoder does with odd bytes

    private func request(_ bytes: [UInt8]) throws -> PomeloProtos.Request {
        try lending(bytes) { try PomeloProtos.Request(protobuf: $0) }
    }

    @Test func `of a field that comes twice the last counts, and messages are merged`() throws {
        let read = try request([
            0x12, 0x02, 0x08, 0x07, 0x22, 0x01, 0x61, 0x12, 0x03, 0x12, 0x01, 0x75, 0x22, 0x01, 0x62,
        ])
        #expect(read.session?.id == 7)
        #expect(read.session?.uid == "u")
        #expect(read.frontendID == "b")
    }

    @Test func `a field of another wire type is one that is not known`() throws {
        #expect(try request([0x0a, 0x01, 0x01, 0x20, 0x05, 0x15, 0, 0, 0, 0]) == PomeloProtos.Request())
    }

    @Test func `an unknown type of call is kept`() throws {
        #expect(try request([0x08, 0x07]).type.rawValue == 7)
        #expect(try request([0x08, 0x07]).protobuf == [0x08, 0x07])
    }

    @Test func `a text must be UTF-8, bytes need not be`() throws {
        #expect(throws: ProtobufError.notUTF8(field: 4)) { try request([0x22, 0x01, 0xff]) }
        #expect(throws: ProtobufError.notUTF8(field: 2)) { try request([0x12, 0x03, 0x12, 0x01, 0xc3]) }
        #expect(try request([0x2a, 0x01, 0xff]).metadata == [0xff])
    }

    @Test func `entries of a map may lack either half`() throws {
        let bytes: [UInt8] = [0x1a, 0x00, 0x1a, 0x03, 0x0a, 0x01, 0x6b, 0x1a, 0x03, 0x0a, 0x01, 0x6b]
        #expect(try lending(bytes) { try PomeloFailure(protobuf: $0) }.metadata == ["": "", "k": ""])
    }

    @Test func `lengths of more than one byte are written in front of what they count`() {
        let session = PomeloProtos.Session(data: [UInt8](repeating: 7, count: 300))
        let request = PomeloProtos.Request(session: session)
        #expect(request.protobuf.prefix(6) == [0x12, 0xaf, 0x02, 0x1a, 0xac, 0x02])
        #expect(request.protobuf.count == 306)
    }
}
