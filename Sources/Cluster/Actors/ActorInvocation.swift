import OmniwayTransport
import OmniwayWire

/// A call as its caller counts it.
struct ActorCallNumber: Hashable, Comparable, Sendable {
    let caller: UInt64
    let count: UInt64

    static func < (a: Self, b: Self) -> Bool { (a.caller, a.count) < (b.caller, b.count) }
}

/// What goes to a host. Integers are little-endian, texts and arguments have their length before them.
enum ActorRequest {
    case call(ActorInvocation)
    /// Nobody waits for it any more.
    case cancel(ActorCallNumber)

    private static let version: UInt8 = 1
    private static let callKind: UInt8 = 1
    private static let cancelKind: UInt8 = 2

    var bytes: [UInt8] {
        var bytes = [Self.version]
        switch self {
        case .call(let call):
            bytes.append(Self.callKind)
            bytes.append(call.number)
            bytes.append(UInt32(clamping: call.left.nanoseconds / 1_000_000))
            for text in [call.identity.type, call.identity.name, call.target] {
                bytes.append(UInt16(clamping: text.utf8.count))
                bytes += text.utf8
            }
            bytes.append(UInt8(clamping: call.arguments.count))
            for argument in call.arguments {
                bytes.append(UInt32(clamping: argument.count))
                bytes += argument
            }
        case .cancel(let number):
            bytes.append(Self.cancelKind)
            bytes.append(number)
        }
        return bytes
    }

    /// Nil for what is no request: too short, too long, of another version.
    init?(_ bytes: RawSpan) {
        var reader = ByteReader(bytes)
        guard reader.read(UInt8.self) == Self.version, let kind = reader.read(UInt8.self),
            let caller = reader.read(UInt64.self), let count = reader.read(UInt64.self)
        else { return nil }
        let number = ActorCallNumber(caller: caller, count: count)
        switch kind {
        case Self.callKind:
            guard let left = reader.read(UInt32.self), let type = reader.readText(bytes),
                let name = reader.readText(bytes), let target = reader.readText(bytes),
                let argumentCount = reader.read(UInt8.self)
            else { return nil }
            var arguments: [[UInt8]] = []
            for _ in 0..<argumentCount {
                guard let size = reader.read(UInt32.self), let range = reader.readRange(Int(size)) else { return nil }
                arguments.append(bytes.array(range))
            }
            self = .call(
                ActorInvocation(
                    number: number, left: .milliseconds(Int64(left)), identity: ActorIdentity(type: type, name: name),
                    target: target, arguments: arguments))
        case Self.cancelKind: self = .cancel(number)
        default: return nil
        }
        if reader.remaining > 0 { return nil }
    }
}

/// One call of a method.
struct ActorInvocation: Equatable, Sendable {
    var number: ActorCallNumber
    /// For how long its caller waits.
    var left: Duration
    var identity: ActorIdentity
    /// The method, by its mangled name.
    var target: String
    var arguments: [[UInt8]]

    static let longestTarget = 4096
}

/// What comes back.
enum ActorAnswer: Equatable, Sendable {
    case returned([UInt8])
    /// An error by its type, which the caller may know.
    case threw(type: String, [UInt8])
    /// The host says no, or has nothing better to say.
    case failed(ActorError)

    var bytes: [UInt8] {
        switch self {
        case .returned(let value): Self.bytes(0, "", value)
        case .threw(let type, let value): Self.bytes(1, type, value)
        case .failed(let error): Self.bytes(2, error.code.rawValue, Array(error.detail.utf8.prefix(4096)))
        }
    }

    private static func bytes(_ kind: UInt8, _ word: String, _ rest: [UInt8]) -> [UInt8] {
        var bytes = [kind]
        bytes.append(UInt16(clamping: word.utf8.count))
        return bytes + Array(word.utf8.prefix(Int(UInt16.max))) + rest
    }

    /// Nil for what is no answer.
    init?(_ bytes: RawSpan) {
        var reader = ByteReader(bytes)
        guard let kind = reader.read(UInt8.self), let word = reader.readText(bytes),
            let rest = reader.readRange(reader.remaining)
        else { return nil }
        switch kind {
        case 0: self = .returned(bytes.array(rest))
        case 1: self = .threw(type: word, bytes.array(rest))
        case 2:
            guard let code = ActorError.Code(rawValue: word) else { return nil }
            self = .failed(ActorError(code, bytes.text(rest)))
        default: return nil
        }
    }
}

extension ByteReader {
    fileprivate mutating func readText(_ bytes: RawSpan) -> String? {
        guard let size = read(UInt16.self), let range = readRange(Int(size)) else { return nil }
        return bytes.text(range)
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ number: ActorCallNumber) {
        append(number.caller)
        append(number.count)
    }

    fileprivate mutating func append(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}
