public import Distributed
import FoundationEssentials
import OmniwayTelemetry

/// Values of calls as bytes: JSON, and bytes as they are.
enum ActorCoding {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        if let bytes = value as? [UInt8] { return bytes }
        return Array(try JSONEncoder().encode(value))
    }

    /// `system` is what references to actors within the value become actors of.
    static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], of system: OmniwayActorSystem
    ) throws -> Value {
        if let bytes = bytes as? Value { return bytes }
        let decoder = JSONDecoder()
        decoder.userInfo[.actorSystemKey] = system
        return try decoder.decode(type, from: Data(bytes))
    }
}

/// Collects the arguments of a call.
public struct ActorInvocationEncoder: DistributedTargetInvocationEncoder {
    public typealias SerializationRequirement = Codable
    var arguments: [[UInt8]] = []

    public mutating func recordGenericSubstitution<T>(_ type: T.Type) throws {
        throw ActorError(.invalid, "a generic method cannot be called elsewhere; give it a type for each purpose")
    }

    public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
        arguments.append(try ActorCoding.encode(argument.value))
    }

    public mutating func recordReturnType<Result: Codable>(_ type: Result.Type) throws {}
    public mutating func recordErrorType<Failure: Error>(_ type: Failure.Type) throws {}
    public mutating func doneRecording() throws {}
}

/// Gives the arguments of a call that has arrived, one by one.
public struct ActorInvocationDecoder: DistributedTargetInvocationDecoder {
    public typealias SerializationRequirement = Codable
    private var arguments: ArraySlice<[UInt8]>
    private let system: OmniwayActorSystem

    init(_ arguments: [[UInt8]], of system: OmniwayActorSystem) {
        (self.arguments, self.system) = (arguments[...], system)
    }

    /// None, so that generic methods are refused: a peer must not name types.
    public mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { [] }

    public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        guard let bytes = arguments.popFirst() else { throw UnfitArguments(why: "there are too few") }
        do {
            return try ActorCoding.decode(Argument.self, from: bytes, of: system)
        } catch { throw UnfitArguments(why: "one is no \(Argument.self): \(error)") }
    }

    public mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
    public mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
}

/// The method has not run. Not an `ActorError`, which a method may throw that has called another.
private struct UnfitArguments: Error {
    let why: String
}

/// Keeps what a method has returned or thrown, as bytes.
public final class ActorResultHandler: DistributedTargetInvocationResultHandler, Sendable {
    public typealias SerializationRequirement = Codable
    private let kept = Lock<ActorAnswer?>(nil)
    private let settings: ActorSettings

    init(_ settings: ActorSettings) { self.settings = settings }

    var answer: ActorAnswer {
        kept.withLock { $0 } ?? .failed(ActorError(.failed, "the method has ended without a result"))
    }

    public func onReturn<Success: Codable>(value: Success) async throws {
        keep { .returned(try ActorCoding.encode(value)) }
    }

    public func onReturnVoid() async throws { keep { .returned([]) } }

    public func onThrow<Failure: Error>(error: Failure) async throws {
        keep {
            if let unfit = error as? UnfitArguments {
                return .failed(ActorError(.refused, "the arguments do not fit, \(unfit.why); are both of one version?"))
            }
            if error is ExecuteDistributedTargetError {
                return .failed(ActorError(.refused, "the actor has no such method; are both programs of one version?"))
            }
            guard let coded = error as? any (Error & Codable),
                settings.errors.contains(where: { $0 == type(of: coded) as Any.Type })
            else { return .failed(ActorError(.failed, "\(Swift.type(of: error)): \(error)")) }
            return .threw(type: String(reflecting: Swift.type(of: coded)), try ActorCoding.encode(coded))
        }
    }

    private func keep(_ make: () throws -> ActorAnswer) {
        var answer: ActorAnswer
        do {
            answer = try make()
        } catch {
            answer = .failed(ActorError(.failed, "the method has run, and its result cannot be coded: \(error)"))
        }
        if case .returned(let bytes) = answer, bytes.count > settings.largest {
            answer = .failed(
                ActorError(.tooLarge, "a result of \(bytes.count) bytes; \(settings.largest) are allowed"))
        }
        let final = answer
        kept.withLock { $0 = final }
    }
}
