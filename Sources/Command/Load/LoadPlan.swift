import Omniway

/// What `omniway load` is to do.
struct LoadPlan: Sendable {
    enum Kind: String, CaseIterable, Sendable { case echo, udp, gateway, app }

    var kind: Kind
    /// What people call the server.
    var place: String
    var dialer: any Dialer
    var connections = 10
    var inFlight = 1
    /// Messages in a second, in all; with 0 each answer brings the next message.
    var rate = 0.0
    var size = 64
    var duration = Duration.seconds(10)
    var warmUp = Duration.seconds(1)
    /// How long a connection may take, and an answer.
    var patience = Duration.seconds(5)
    /// After so many answers a connection gives way to a new one; 0 for never.
    var renew = 0
    var loops = 1
    var dialect = GatewayDialect.v2
    /// Of a gateway, whom to dial; and by which way to be it, with which key.
    var server: EndpointID = 1
    var serving: (way: any Dialer, key: String)?
    var route = ""
    var body: [UInt8] = []

    init(kind: Kind, place: String, dialer: any Dialer) {
        (self.kind, self.place, self.dialer) = (kind, place, dialer)
    }
}

/// One load, from its first connection to its report.
struct LoadRun: Sendable {
    let plan: LoadPlan
    init(_ plan: LoadPlan) { self.plan = plan }

    func result() async throws -> LoadReport {
        let loops = EventLoops(count: plan.loops)
        let server = try await serve(on: loops.loops[0])
        var shards: [LoopBound<LoadShard>] = []
        for (index, home) in loops.loops.enumerated() {
            let plan = plan
            // The first loops have one more where the number does not come out even.
            let count = plan.connections / plan.loops + (index < plan.connections % plan.loops ? 1 : 0)
            if count > 0 { shards.append(await home.own { LoadShard(plan, connections: count, on: $0, home) }) }
        }
        var report = LoadReport(plan)
        for shard in shards { await shard.run { $1.begin() } }
        for shard in shards {
            let isOver = await shard.run { $1.over }
            for await _ in isOver {}
            report.add(await shard.run { $1.counts })
        }
        server?.close()
        await loops.shutdown()
        return report
    }

    /// The server behind the gateway, if it is to be here too.
    private func serve(on home: EventLoop) async throws -> GatewayEndpoint? {
        guard plan.kind == .gateway, let (way, key) = plan.serving else { return nil }
        var configuration = EndpointConfiguration.server(plan.server, key: key)
        configuration.dialect = plan.dialect
        configuration.recvChanSize = 65_536
        let server = try await GatewayEndpoint(configuration, over: way, on: home)
        _ = try await server.open(into: [await home.own { _ in EchoIntake(idleLimit: .zero) }])
        try await server.ready(within: plan.patience)
        return server
    }
}
