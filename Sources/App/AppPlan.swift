import OmniwayCluster
import OmniwayCrypto
import OmniwayTransport
import OmniwayWire

/// What an app is told before it starts.
struct AppBlueprint {
    var acceptors: [any Acceptor] = []
    var handlers: [(route: String, handler: Handler)] = []
    var modules: [(name: String, module: any Module)] = []
    var pipeline = Pipeline()
    var remotes: [(route: String, handler: Handler)] = []
    var remotePipeline = Pipeline()
    var place: (registry: Registry, bus: any Bus)?
    var choices: [String: AppPlan.Choice] = [:]
    var works: [String: ReliableWork] = [:]
    var serverHooks: [@Sendable (ClusterChange) -> Void] = []
    var validators: [(name: String, check: @Sendable (Handshake) throws -> Void)] = []
    var authentication: AppPlan.SessionHook?
    var bindHooks: [AppPlan.BindHook] = []
    var boundHooks: [AppPlan.BindHook] = []
    var closeHooks: [@Sendable (Session, CloseReason) -> Void] = []
    var dictionary: [(route: String, code: UInt16)] = []
}

/// What every session of an app needs to know; it does not change.
final class AppPlan: Sendable {
    typealias SessionHook = nonisolated(nonsending) @Sendable (Session) async throws -> Void
    typealias Choice = @Sendable (Context, [UInt8], [ClusterServer]) throws -> ClusterServer
    typealias BindHook = nonisolated(nonsending) @Sendable (Session, String) async throws -> Void

    let type: String
    let settings: AppSettings
    let serializer: any Serializer
    let framing: PacketFraming
    let routes: RouteTable
    /// What other servers may call. They count on from the routes.
    let remotes: RouteTable
    let dictionary: PomeloDictionary
    let cluster: AppCluster?
    /// Nil where nothing is traced.
    let tracer: Tracer?
    /// Clients connect to this server.
    let isFrontend: Bool
    /// How a server of a type is chosen for a client's message.
    let choices: [String: Choice]
    /// How reliable calls are made here, by their routes.
    let works: [String: ReliableWork]
    let serverHooks: [@Sendable (ClusterChange) -> Void]
    let validators: [(name: String, check: @Sendable (Handshake) throws -> Void)]
    let authentication: SessionHook?
    let bindHooks: [BindHook]
    let boundHooks: [BindHook]
    let closeHooks: [@Sendable (Session, CloseReason) -> Void]
    /// Packets that answer a handshake, the same for all clients.
    let welcome: [UInt8]
    let refusal: [UInt8]
    let heartbeat: [UInt8]
    let kick: [UInt8]

    init(_ blueprint: AppBlueprint, _ app: App) throws {
        var faults = app.settings.faults + app.settings.meterFaults + blueprint.moduleFaults
        faults += app.settings.tracing?.faults ?? []
        if blueprint.place != nil {
            faults += app.settings.cluster.faults
            for (what, name) in [("type", app.type), ("id", app.id)] {
                if let fault = ClusterSubject.fault(in: name) {
                    faults.append("\"\(name)\" cannot be the \(what) of a server in a cluster: \(fault)")
                }
            }
        }
        let handlers = Self.routes(blueprint.handlers, of: app.type, app.serializer, &faults)
        let remotes = Self.routes(blueprint.remotes, of: app.type, app.remotes.serializer, &faults)
        if app.type.isEmpty || app.type.contains(".") { faults.append("\"\(app.type)\" is no type: without points") }
        var dictionary = PomeloDictionary()
        do {
            dictionary = try PomeloDictionary(blueprint.dictionary)
        } catch { faults.append("\(error)") }
        guard faults.isEmpty else { throw AppStartError.faults(faults) }

        (type, settings, serializer) = (app.type, app.settings, app.serializer)
        framing = PacketFraming(settings.codec, maxBodySize: settings.maxPacketSize, settings.compression)
        routes = RouteTable(handlers, type: type, blueprint.pipeline, dictionary)
        self.dictionary = dictionary
        self.remotes = RouteTable(
            remotes, type: type, blueprint.remotePipeline, PomeloDictionary(), from: handlers.count)
        cluster = blueprint.place.map {
            AppCluster(registry: $0.registry, bus: $0.bus, settings: app.settings.cluster)
        }
        tracer = settings.tracing.map { Tracer($0) }
        (choices, works, serverHooks) = (blueprint.choices, blueprint.works, blueprint.serverHooks)
        isFrontend = app.settings.cluster.isFrontend ?? !blueprint.acceptors.isEmpty
        (validators, authentication) = (blueprint.validators, blueprint.authentication)
        (bindHooks, boundHooks, closeHooks) = (blueprint.bindHooks, blueprint.boundHooks, blueprint.closeHooks)
        let pool = settings.compression == .off ? nil : DeflatePool()
        var answer = PomeloHandshakeAnswer(
            heartbeat: settings.heartbeat, dictionary: dictionary, serializer: serializer.name)
        welcome = try framing.packet(.handshake, answer.body(compressedBy: pool))
        answer.code = PomeloHandshakeAnswer.refused
        refusal = try framing.packet(.handshake, answer.body(compressedBy: pool))
        (heartbeat, kick) = (try framing.packet(.heartbeat), try framing.packet(.kick))
    }
}

extension AppPlan {
    private static func routes(
        _ handlers: [(route: String, handler: Handler)], of type: String, _ serializer: any Serializer,
        _ faults: inout [String]
    ) -> [(route: PomeloRoute, handler: Handler)] {
        var routes: [(route: PomeloRoute, handler: Handler)] = []
        var known: Set<String> = []
        for (text, handler) in handlers {
            do {
                let route = try PomeloRoute(text)
                if route.serverType != "" && route.serverType != type {
                    faults.append("the route \(text) is of servers \(route.serverType), and this is \(type)")
                }
                if !known.insert(route.short).inserted { faults.append("the route \(text) has two handlers") }
                routes.append((route, handler))
            } catch { faults.append("\"\(text)\" is no route: \(error); write service.method") }
            let output = handler.answers ? handler.output : nil
            if output == Void.self {
                faults.append("the handler of \(text) answers with nothing; say onNotify")
            } else if let fault = serializer.fault(taking: handler.input, giving: output) {
                faults.append("the handler of \(text) \(fault)")
            }
        }
        return routes
    }

    /// What becomes of a route that leads nowhere.
    func noHandler(for text: String) -> AppError {
        do throws(PomeloRoute.Fault) {
            let route = try PomeloRoute(text)
            guard route.serverType.isEmpty || route.serverType == type else {
                return AppError(AppError.internalError, "no servers available of this type")
            }
            return AppError(AppError.notFound, "pitaya/handler: \(route) not found")
        } catch { return AppError(AppError.badRequest, "\(error)") }
    }
}

extension AppSettings {
    /// What cannot be, in words.
    fileprivate var faults: [String] {
        var faults: [String] = []
        if !(1...PomeloPacket.mostBodyBytes ~= maxPacketSize) {
            faults.append("maxPacketSize is \(maxPacketSize); it goes from 1 to \(PomeloPacket.mostBodyBytes)")
        }
        if maxInflatedSize < 1 { faults.append("maxInflatedSize is \(maxInflatedSize); it begins at 1") }
        if heartbeat < .zero || heartbeat > PomeloHandshakeAnswer.longestHeartbeat {
            faults.append("heartbeat is \(heartbeat); it goes from zero (none) to a day")
        }
        if inFlight.perSession < 1 || inFlight.perServer < 1 {
            faults.append("inFlight is \(inFlight.perSession) and \(inFlight.perServer); at least 1 each")
        }
        if let callLimit, callLimit <= .zero { faults.append("callLimit is \(callLimit); above zero, or nil for none") }
        if maxSessions < 1 { faults.append("maxSessions is \(maxSessions); at least 1") }
        if maxTimers < 0 { faults.append("maxTimers is \(maxTimers); at least 0") }
        if let drain, drain.limit < .zero || drain.period < .milliseconds(1) || drain.spread < .zero {
            faults.append(
                "drain is \(drain.limit), \(drain.period), \(drain.spread); at least zero, a millisecond, zero")
        }
        if groups.groups < 0 || groups.members < 1 {
            faults.append("groups is \(groups.groups) of \(groups.members); at least 0 of 1")
        }
        return faults
    }
}
