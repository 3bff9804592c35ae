public import Distributed
import OmniwayTransport
import Synchronization

extension OmniwayActorSystem {
    public func remoteCall<Act: DistributedActor, Failure: Error, Success: Codable>(
        on actor: Act, target: RemoteCallTarget, invocation: inout ActorInvocationEncoder,
        throwing: Failure.Type, returning: Success.Type
    ) async throws -> Success where Act.ID == ActorIdentity {
        let bytes = try await call(actor.id, target, invocation.arguments)
        do {
            return try ActorCoding.decode(Success.self, from: bytes, of: self)
        } catch { throw ActorError(.unreadable, "the result of \(target) is no \(Success.self): \(error)") }
    }

    public func remoteCallVoid<Act: DistributedActor, Failure: Error>(
        on actor: Act, target: RemoteCallTarget, invocation: inout ActorInvocationEncoder, throwing: Failure.Type
    ) async throws where Act.ID == ActorIdentity {
        _ = try await call(actor.id, target, invocation.arguments)
    }

    private func call(
        _ identity: ActorIdentity, _ target: RemoteCallTarget, _ arguments: [[UInt8]]
    ) async throws -> [UInt8] {
        let size = arguments.reduce(0) { $0 + $1.count }
        guard size <= settings.largest else {
            throw ActorError(.invalid, "arguments of \(size) bytes; \(settings.largest) are allowed: send less")
        }
        guard arguments.count < 256, target.identifier.utf8.count <= ActorInvocation.longestTarget else {
            throw ActorError(.invalid, "a method with fewer arguments, or shorter names, can be called elsewhere")
        }
        let (context, door) = (ActorCall.current, door)
        let number = calls.wrappingAdd(1, ordering: .relaxed).newValue
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                door.post(
                    .call(
                        OutgoingRequest(
                            number: number, identity: identity, target: target.identifier, arguments: arguments,
                            context: context,
                            answer: ActorPromise(otherwise: .answered(.failed(.closed))) {
                                waiter.resume(returning: $0)
                            })))
                if Task.isCancelled { door.post(.cancel(number)) }  // The handler may have come before the call.
            }
        } onCancel: {
            door.post(.cancel(number))
        }
        switch answer {
        case .answered(.returned(let bytes)): return bytes
        case .answered(.threw(let type, let bytes)): throw decodeError(type, bytes)
        case .answered(.failed(let error)): throw error
        case .cancelled: throw CancellationError()
        }
    }

    /// Only of types that were told: a peer does not choose what is made here.
    private func decodeError(_ type: String, _ bytes: [UInt8]) -> any Error {
        guard let known = settings.errors.first(where: { String(reflecting: $0) == type }) else {
            return ActorError(.failed, "\(type); add the type to ActorSettings.errors to get it as it is")
        }
        do {
            return try ActorCoding.decode(known, from: bytes, of: self)
        } catch { return ActorError(.unreadable, "an error that is no \(type): \(error)") }
    }
}
