public import OmniwayAdmin
public import OmniwayApp
import OmniwayCluster
public import OmniwayTransport

/// An application server on the loops of a node.
public struct AppPart: NodePart {
    private let app: App
    private let place: ClusterPlace?

    /// `joinsCluster` puts it into the cluster that its settings name.
    public init(_ app: App, joinsCluster: Bool = false, on loops: EventLoops) async throws {
        self.app = app
        place = joinsCluster ? try await ClusterPlace(app.settings.cluster, on: loops) : nil
        place?.join(app)
        do {
            try await app.start(on: loops)
        } catch {
            await place?.close()
            throw error
        }
    }

    public var ports: [Node.Port] {
        // What comes through a gateway has no address here.
        app.addresses.filter { $0 != .none }.map { Node.Port("app \(app.type)", at: $0) }
    }

    public func stop(within limit: Duration) async -> Int {
        let cutOff = await app.stop(within: limit)
        await place?.close()
        return cutOff
    }
}

extension AppPart {
    public var troubles: [String] { app.troubles }

    public var views: [AdminView] {
        let app = app
        return [
            AdminView("app") {
                let users = app.users(most: AdminTable.mostRows).map { AdminTable.Row($0, [$0]) }
                let groups = app.groups.names.prefix(AdminTable.mostRows).map { name in
                    AdminTable.Row(name, [name, (try? app.groups.count(of: name)).map { "\($0)" } ?? ""])
                }
                return AdminReport(
                    figures: [
                        ("sessions", "\(app.sessionCount)"), ("users", "\(app.userCount)"),
                        ("groups", "\(groups.count)"),
                    ],
                    tables: [
                        AdminTable("users", ["user"], users, actions: ["app.kick"]),
                        AdminTable("groups", ["group", "members"], groups),
                    ])
            }
        ]
    }

    public var actions: [AdminAction] {
        let app = app
        return [
            AdminAction("app.kick", fields: ["user"]) { fields in
                let user = fields["user"] ?? ""
                guard try app.kick([user]).isEmpty else { throw AdminRefusal("\(user) is not here") }
                return "\(user) was told to leave"
            },
            // Bulk: users between commas.
            AdminAction("app.push", fields: ["users", "route", "data"]) { fields in
                let users = (fields["users"] ?? "").split(separator: ",").map { String($0.drop { $0 == " " }) }
                let absent = try app.push(fields["route"] ?? "", Array((fields["data"] ?? "").utf8), to: users)
                return "pushed to \(users.count - absent.count)"
                    + (absent.isEmpty ? "" : ", not here: \(absent.joined(separator: ", "))")
            },
        ]
    }
}

/// The registry and the bus of a cluster, for one app.
private struct ClusterPlace {
    private let registry: Registry
    private let bus: NATSBus
    private let loops: EventLoops

    init(_ settings: ClusterSettings, on loops: EventLoops) async throws {
        self.loops = loops
        bus = try NATSBus(try settings.natsSettings())
        registry = try await Registry.open(.etcd(settings.etcd), on: loops.loops[0])
    }

    func join(_ app: App) { app.join(registry: registry, bus: bus) }

    func close() async {
        await bus.drain(on: loops.loops)
        await registry.close()
    }
}
