/// What runs around every handler, in the order in which it was added. The first error of a `before` is the answer: the
/// handler and all `after` do not run then. After a handler all `after` run, and each may replace result and error.
struct Pipeline: Sendable {
    typealias Outcome = Result<[UInt8], any Error>
    typealias PlainBefore = @Sendable (inout [UInt8], Context) throws -> Void
    typealias AsyncBefore = nonisolated(nonsending) @Sendable (inout [UInt8], Context) async throws -> Void
    typealias PlainAfter = @Sendable (inout Outcome, Context) -> Void
    typealias AsyncAfter = nonisolated(nonsending) @Sendable (inout Outcome, Context) async -> Void

    enum Before: Sendable {
        case plain(PlainBefore)
        case async(AsyncBefore)
    }
    enum After: Sendable {
        case plain(PlainAfter)
        case async(AsyncAfter)
    }

    var before: [Before] = []
    var after: [After] = []

    /// Nothing here waits for anything, so plain handlers need no task.
    var isPlain: Bool {
        before.allSatisfy { if case .plain = $0 { true } else { false } }
            && after.allSatisfy { if case .plain = $0 { true } else { false } }
    }

    /// For a plain handler when the pipeline is plain.
    func run(_ handler: Handler.Plain, _ body: [UInt8], _ context: Context) -> Outcome {
        var body = body
        do {
            for case .plain(let hook) in before { try hook(&body, context) }
        } catch { return .failure(error) }
        var outcome = Outcome { try handler(body, context) }
        for case .plain(let hook) in after { hook(&outcome, context) }
        return outcome
    }

    nonisolated(nonsending) func run(_ handler: Handler.Body, _ body: [UInt8], _ context: Context) async -> Outcome {
        var body = body
        var outcome: Outcome
        do {
            for hook in before {
                switch hook {
                case .plain(let hook): try hook(&body, context)
                case .async(let hook): try await hook(&body, context)
                }
            }
        } catch { return .failure(error) }
        do {
            switch handler {
            case .plain(let handler): outcome = .success(try handler(body, context))
            case .async(let handler): outcome = .success(try await handler(body, context))
            }
        } catch { outcome = .failure(error) }
        for hook in after {
            switch hook {
            case .plain(let hook): hook(&outcome, context)
            case .async(let hook): await hook(&outcome, context)
            }
        }
        return outcome
    }
}
