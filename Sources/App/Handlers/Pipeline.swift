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

    private(set) var before: [Before] = []
    private(set) var after: [After] = []

    mutating func add(_ hook: Hook) {
        switch hook.place {
        case .before(let hook): before.append(hook)
        case .after(let hook): after.append(hook)
        }
    }

    typealias Run = @Sendable ([UInt8], Context) -> Outcome

    /// All in one, made once for each route; nil when something in here waits.
    func plain(around handler: Handler.Body) -> Run? {
        guard case .plain(let handler) = handler else { return nil }
        var run: Run = { body, context in Outcome { try handler(body, context) } }
        for hook in after {
            guard case .plain(let hook) = hook else { return nil }
            let inner = run
            run = { body, context in
                var outcome = inner(body, context)
                hook(&outcome, context)
                return outcome
            }
        }
        for hook in before.reversed() {
            guard case .plain(let hook) = hook else { return nil }
            let inner = run
            run = { body, context in
                var body = body
                do { try hook(&body, context) } catch { return .failure(error) }
                return inner(body, context)
            }
        }
        return run
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
            case .elsewhere: outcome = await Forward.run(body, context)
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
