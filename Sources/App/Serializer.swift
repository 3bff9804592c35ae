/// How the values of an application become the bodies of messages, and back. Handlers that take or give `[UInt8]` do
/// without.
public protocol Serializer: Sendable {
    /// What clients are told in the handshake.
    var name: String { get }
    /// Asked once for each handler, when the app starts: better then than at the first message.
    func canDecode(_ type: Any.Type) -> Bool
    func canEncode(_ type: Any.Type) -> Bool
    func decode<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value
    func encode<Value>(_ value: Value) throws -> [UInt8]
    /// The body of an answer that is an error.
    func encode(_ error: AppError) -> [UInt8]
    func decodeError(from body: [UInt8]) throws -> AppError
}

extension Serializer {
    public func canDecode(_ type: Any.Type) -> Bool { true }
    public func canEncode(_ type: Any.Type) -> Bool { true }
    public func encode(_ error: AppError) -> [UInt8] { error.json }
    public func decodeError(from body: [UInt8]) throws -> AppError { try AppError(json: body) }
}

/// A value that can say what is wrong with it. Handlers never see one that does.
public protocol Validated {
    func validate() throws
}

extension Serializer {
    /// A body as what a handler takes.
    func value<Value>(_ type: Value.Type, from body: [UInt8]) throws -> Value {
        if Value.self == [UInt8].self, let bytes = body as? Value { return bytes }
        let value: Value
        do {
            value = try decode(type, from: body)
        } catch let error as AppError {
            throw error
        } catch {
            throw AppError(AppError.badRequest, "\(error)")
        }
        if let value = value as? any Validated { try value.validate() }
        return value
    }

    /// What a handler gives, or somebody pushes, as a body.
    func body<Value>(of value: Value) throws -> [UInt8] {
        if Value.self == [UInt8].self, let bytes = value as? [UInt8] { return bytes }
        if let value = value as? any Absent, value.isAbsent { throw AppError.noReply }
        return try encode(value)
    }

    /// Why a handler that takes and gives such types can never work; nil when it can.
    func fault(taking input: Any.Type?, giving output: Any.Type?) -> String? {
        if let input, input != [UInt8].self, !canDecode(input) {
            return "takes \(input), which the serializer \(name) cannot decode"
        }
        if let output, output != [UInt8].self, !canEncode(output) {
            return "gives \(output), which the serializer \(name) cannot encode"
        }
        return nil
    }
}

/// An optional, as far as it matters here.
private protocol Absent { var isAbsent: Bool { get } }
extension Optional: Absent { fileprivate var isAbsent: Bool { if case .none = self { true } else { false } } }
