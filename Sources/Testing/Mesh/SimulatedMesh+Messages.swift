public import OmniwayWire

/// What an application does with nodes that are simulated.
extension SimulatedMesh {
    public func broadcast(from node: Int, topic: String = "", _ bytes: [UInt8]) {
        do throws(MeshFailure) {
            let source = nodes[node]
            perform(try source.overlay.broadcast(bytes, topic: topic, at: now, random: &source.random), of: node)
            schedule(source, node)
        } catch { preconditionFailure("\(error)") }
    }

    /// A message to one node; `done` says what became of it.
    public func send(
        from node: Int, to other: Int, _ bytes: [UInt8],
        done: @escaping (Result<[UInt8], MeshFailure>) -> Void = { _ in }
    ) {
        let id = nodes[other].id
        let now = now
        begin(node, done) { (overlay, random) throws(MeshFailure) in
            try overlay.send(bytes, to: .node(id), at: now, random: &random)
        }
    }

    /// To whoever is called that.
    public func send(
        from node: Int, toName name: String, _ bytes: [UInt8],
        done: @escaping (Result<[UInt8], MeshFailure>) -> Void = { _ in }
    ) {
        let now = now
        begin(node, done) { (overlay, random) throws(MeshFailure) in
            try overlay.send(bytes, to: .name(name), at: now, random: &random)
        }
    }

    /// A request to one node; `done` says what became of it. Its number is for `cancel`.
    @discardableResult
    public func request(
        from node: Int, to other: Int, _ method: String, _ bytes: [UInt8] = [], within limit: Duration = .seconds(10),
        done: @escaping (Result<[UInt8], MeshFailure>) -> Void
    ) -> UInt64? {
        let id = nodes[other].id
        let now = now
        return begin(node, done) { (overlay, random) throws(MeshFailure) in
            try overlay.request(method, bytes, to: .node(id), within: limit, at: now, random: &random)
        }
    }

    @discardableResult
    private func begin(
        _ node: Int, _ done: @escaping (Result<[UInt8], MeshFailure>) -> Void,
        _ body: (inout Overlay, inout SeededRandom) throws(MeshFailure) -> (number: UInt64, actions: [Overlay.Action])
    ) -> UInt64? {
        do throws(MeshFailure) {
            let source = nodes[node]
            let (number, actions) = try body(&source.overlay, &source.random)
            waiting[Ticket(node: node, number: number)] = done
            perform(actions, of: node)
            schedule(source, node)
            return number
        } catch {
            done(.failure(error))
            return nil
        }
    }

    /// As when the task that waits for a request is cancelled.
    public func cancel(_ number: UInt64, at node: Int) {
        perform(nodes[node].overlay.cancel(number, at: now), of: node)
        schedule(nodes[node], node)
    }

    /// The answer to a request that was to come later. One that came to an earlier start is nobody's.
    public func answer(_ request: MeshRequest, at node: Int, with reply: MeshReply) {
        perform(nodes[node].overlay.answered(request.number, reply, at: now), of: node)
        schedule(nodes[node], node)
    }
}
