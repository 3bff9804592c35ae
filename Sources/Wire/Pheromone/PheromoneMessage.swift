/// A message of the original mesh: one JSON object on the wire, with nothing before, between or after.
///
/// ```swift
/// PheromoneMessage(name: "luda", operation: .getRequest).bytes  // {"name":"luda","operation":"getreq","data":null}
/// ```
public struct PheromoneMessage: Sendable, Equatable {
    /// Who sends it, as it calls itself.
    public var name: String
    public var operation: PheromoneOperation
    /// Anything; of a greeting a `PheromoneGreeting`. On the wire it is base 64, and null when it is empty.
    public var data: [UInt8]

    public init(name: String, operation: PheromoneOperation, data: [UInt8] = []) {
        (self.name, self.operation, self.data) = (name, operation, data)
    }

    /// Most bytes of a message that a peer of the original reads: it takes one read for one message.
    public static let largest = 10_240

    /// Most arrays and objects within one another. The original goes to 10,000; nobody who is honest needs four.
    package static let depth = 64

    /// The message that makes somebody known.
    public static func greeting(from name: String, _ greeting: PheromoneGreeting) -> PheromoneMessage {
        PheromoneMessage(name: name, operation: .connectRequest, data: greeting.bytes)
    }

    /// Reads one whole message, as Go reads it: keys in any order and case, null for what is empty.
    public init(_ bytes: [UInt8]) throws(MeshError) { try self.init(reading: bytes.span) }

    package init(_ bytes: RawSpan) throws(MeshError) { try self.init(reading: Span<UInt8>(_bytes: bytes)) }

    private init(reading bytes: Span<UInt8>) throws(MeshError) {
        let fields = try PheromoneFields(bytes, MeshError.malformedMessage)
        name = try fields.text("name")
        operation = PheromoneOperation(rawValue: try fields.text("operation"))
        data = try fields.bytes("data")
    }

    /// As the original writes it, byte for byte.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) {
            $0.member("name", name)
            $0.member("operation", operation.rawValue)
            if data.isEmpty { $0.member("data", JSON.null) } else { $0.member("data", Base64.encode(data)) }
        }
        return bytes
    }

    /// Its bytes, unless they are more than a peer would read.
    package func bytesToSend() throws(MeshError) -> [UInt8] {
        let bytes = bytes
        guard bytes.count <= Self.largest else { throw .messageTooLarge(bytes: bytes.count) }
        return bytes
    }
}

/// What a greeting tells in its `data`: where the sender listens.
public struct PheromoneGreeting: Sendable, Equatable {
    /// `ip:port`; empty when the sender listens nowhere.
    public var address: String
    /// The number of an application. It is carried, and means nothing here.
    public var account: Int

    public init(address: String, account: Int) { (self.address, self.account) = (address, account) }

    public init(_ data: [UInt8]) throws(MeshError) {
        let fields = try PheromoneFields(data.span, MeshError.malformedGreeting)
        address = try fields.text("add")
        account = try fields.number("account")
    }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) {
            $0.member("add", address)
            $0.member("account", account)
        }
        return bytes
    }
}

/// The members of an object as Go reads them into a struct.
private struct PheromoneFields {
    private let members: JSON.Object
    /// The error of whoever reads.
    private let refusal: (String) -> MeshError

    init(_ bytes: Span<UInt8>, _ refusal: @escaping (String) -> MeshError) throws(MeshError) {
        self.refusal = refusal
        var reader = JSON.Reader.go
        reader.limits = JSON.Reader.Limits(
            bytes: Self.mostBytes, depth: PheromoneMessage.depth, values: Self.mostValues)
        let value: JSON
        do throws(JSON.ReadError) {
            value = try reader.read(bytes)
        } catch { throw refusal("\(error)") }
        switch value {
        case .object(let object): members = object
        case .null: members = JSON.Object()
        default: throw refusal("expected an object, found \(value.kind.rawValue)")
        }
    }

    private static let mostBytes = 16 << 20
    /// Data as an array of numbers has one value for each byte.
    private static let mostValues = 1 << 20

    private func value(_ key: String) -> JSON? { members[anyCase: key]?.ifNotNull }

    func text(_ key: String) throws(MeshError) -> String {
        guard let value = value(key) else { return "" }
        do throws(JSON.Mismatch) { return try value.string() } catch { throw refusal("\(key): \(error)") }
    }

    func number(_ key: String) throws(MeshError) -> Int {
        guard let value = value(key) else { return 0 }
        do throws(JSON.Mismatch) { return try value.int() } catch { throw refusal("\(key): \(error)") }
    }

    /// Base 64, or an array of numbers.
    func bytes(_ key: String) throws(MeshError) -> [UInt8] {
        guard let value = value(key) else { return [] }
        do throws(JSON.Mismatch) {
            if case .array(let elements) = value {
                var bytes: [UInt8] = []
                for element in elements { bytes.append(UInt8(try element.ifNotNull?.int(in: 0...255) ?? 0)) }
                return bytes
            }
            if let bytes = Base64.decodeAsGo(try value.string()) { return bytes }
        } catch { throw refusal("\(key): \(error)") }
        throw refusal("\(key): no base 64 with padding")
    }
}
