/// What a route leads to, as the dispatcher sees it: bytes in, bytes out. Made by the `on` of an app or a service.
public struct Handler: Sendable {
    typealias Plain = @Sendable ([UInt8], Context) throws -> [UInt8]
    typealias Async = nonisolated(nonsending) @Sendable ([UInt8], Context) async throws -> [UInt8]
    enum Body: Sendable {
        case plain(Plain)
        case async(Async)
        /// Another server has the handler.
        case elsewhere
    }

    /// Notifies have no answer.
    let answers: Bool
    let body: Body
    let input: Any.Type?
    let output: Any.Type?
}

/// Where handlers can be put: an app, a service of one, or its remotes.
public protocol HandlerTable {
    var serializer: any Serializer { get }
    func put(_ handler: Handler, at route: String)
}

// A closure without `await` is a plain handler: it runs at once and costs no task. One with `await` runs on the
// connection's loop too, and is back there after each `await`.

extension HandlerTable {
    /// Bytes to bytes: the serializer is not asked.
    public func on(_ route: String, _ body: @escaping @Sendable ([UInt8], Context) throws -> [UInt8]) {
        put(Handler(answers: true, body: .plain(body), input: [UInt8].self, output: [UInt8].self), at: route)
    }

    public func on(
        _ route: String, _ body: nonisolated(nonsending) @escaping @Sendable ([UInt8], Context) async throws -> [UInt8]
    ) {
        put(Handler(answers: true, body: .async(body), input: [UInt8].self, output: [UInt8].self), at: route)
    }

    /// A request that says something.
    public func on<In, Out>(_ route: String, _ body: @escaping @Sendable (In, Context) throws -> Out) {
        let serializer = serializer
        put(
            Handler(
                answers: true,
                body: .plain { bytes, context in
                    try serializer.body(of: try body(try serializer.value(In.self, from: bytes), context))
                }, input: In.self, output: Out.self), at: route)
    }

    public func on<In, Out>(
        _ route: String, _ body: nonisolated(nonsending) @escaping @Sendable (In, Context) async throws -> Out
    ) {
        let serializer = serializer
        put(
            Handler(
                answers: true,
                body: .async { bytes, context in
                    try serializer.body(of: try await body(try serializer.value(In.self, from: bytes), context))
                }, input: In.self, output: Out.self), at: route)
    }

    /// A request whose body does not matter.
    public func on<Out>(_ route: String, _ body: @escaping @Sendable (Context) throws -> Out) {
        let serializer = serializer
        put(
            Handler(
                answers: true, body: .plain { _, context in try serializer.body(of: try body(context)) }, input: nil,
                output: Out.self), at: route)
    }

    public func on<Out>(
        _ route: String, _ body: nonisolated(nonsending) @escaping @Sendable (Context) async throws -> Out
    ) {
        let serializer = serializer
        put(
            Handler(
                answers: true, body: .async { _, context in try serializer.body(of: try await body(context)) },
                input: nil, output: Out.self), at: route)
    }

    /// A message that is not answered.
    public func onNotify<In>(_ route: String, _ body: @escaping @Sendable (In, Context) throws -> Void) {
        let serializer = serializer
        put(
            Handler(
                answers: false,
                body: .plain { bytes, context in
                    try body(try serializer.value(In.self, from: bytes), context)
                    return []
                }, input: In.self, output: nil), at: route)
    }

    public func onNotify<In>(
        _ route: String, _ body: nonisolated(nonsending) @escaping @Sendable (In, Context) async throws -> Void
    ) {
        let serializer = serializer
        put(
            Handler(
                answers: false,
                body: .async { bytes, context in
                    try await body(try serializer.value(In.self, from: bytes), context)
                    return []
                }, input: In.self, output: nil), at: route)
    }

    public func onNotify(_ route: String, _ body: @escaping @Sendable (Context) throws -> Void) {
        put(
            Handler(
                answers: false,
                body: .plain { _, context in
                    try body(context)
                    return []
                }, input: nil, output: nil), at: route)
    }

    public func onNotify(
        _ route: String, _ body: nonisolated(nonsending) @escaping @Sendable (Context) async throws -> Void
    ) {
        put(
            Handler(
                answers: false,
                body: .async { _, context in
                    try await body(context)
                    return []
                }, input: nil, output: nil), at: route)
    }
}
