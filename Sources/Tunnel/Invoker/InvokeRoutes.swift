public import OmniwayWire

/// What an invoker does with the requests of its peer: a function for each path. Many invokers of one loop share it.
public final class InvokeRoutes {
    public typealias OneWay = (_ request: InvokeRequest, _ invoker: Invoker) throws -> Void
    public typealias TwoWay = (_ request: InvokeRequest, _ invoker: Invoker, _ answer: InvokeAnswer) throws -> Void

    private enum Handler { case oneWay(OneWay), twoWay(TwoWay) }
    private var handlers: [String: Handler] = [:]

    /// Asked before every request; a code and words refuse it. The place to see whether the peer has logged in.
    public var refusal: (_ request: InvokeRequest, _ invoker: Invoker) -> (InvokeCode, String)? = { _, _ in nil }

    public init() {}

    /// Handles requests that are not answered, in the order of their arrival. It wins over a two-way handler.
    public func oneWay(_ path: String, _ handle: @escaping OneWay) {
        handlers[InvokeRequest.key(of: path)] = .oneWay(handle)
    }

    /// Handles requests that are answered, now or later. What is thrown becomes an answer with code 400.
    public func twoWay(_ path: String, _ handle: @escaping TwoWay) {
        let key = InvokeRequest.key(of: path)
        if case .oneWay? = handlers[key] { return }
        handlers[key] = .twoWay(handle)
    }

    func kind(of request: InvokeRequest) -> InvokeDialogue.Kind? {
        switch handlers[request.key] {
        case .oneWay: .oneWay
        case .twoWay: .twoWay
        case nil: nil
        }
    }

    func perform(_ request: InvokeRequest, from invoker: Invoker) throws {
        if refusal(request, invoker) != nil { return }
        if case .oneWay(let handle)? = handlers[request.key] { try handle(request, invoker) }
    }

    func answer(_ request: InvokeRequest, from invoker: Invoker, _ answer: InvokeAnswer) throws {
        if let (code, words) = refusal(request, invoker) { return answer.fail(code, words) }
        if case .twoWay(let handle)? = handlers[request.key] { try handle(request, invoker, answer) }
    }
}

/// The answer that a request waits for. It may be kept and given later, on the same loop; one that is dropped says that
/// the request has failed.
public final class InvokeAnswer {
    private let id: String
    private var invoker: Invoker?

    init(to id: String, from invoker: Invoker) { (self.id, self.invoker) = (id, invoker) }

    deinit { fail(.failed, "the handler gave no answer") }

    /// The first answer counts.
    public func succeed(_ body: String = "", headers: InvokeHeaders = InvokeHeaders()) {
        give(InvokeResponse(to: id, headers: headers, body: body))
    }

    public func fail(_ code: InvokeCode, _ message: String) {
        give(InvokeResponse(to: id, code, message: message))
    }

    private func give(_ response: InvokeResponse) {
        guard let invoker = exchange(&invoker, with: nil) else { return }
        invoker.respond(response)
    }
}
