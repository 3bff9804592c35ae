public import OmniwayAdmin
public import OmniwayApp
import OmniwayTelemetry
public import OmniwayTransport

/// An application server on the loops of a node.
public struct AppPart: NodePart {
    private let app: App
    private let place: ClusterPlace?
    private let loops: EventLoops

    /// `joinsCluster` puts it into the cluster that its settings name.
    public init(_ app: App, joinsCluster: Bool = false, on loops: EventLoops) async throws {
        (self.app, self.loops) = (app, loops)
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
        let (app, place, loops) = (app, place, loops)
        let cluster = place.map { place in AdminView("cluster") { await place.report() } }
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
                        AdminTable("groups", ["group", "members"], groups, actions: ["app.pushGroup"]),
                        await Self.routes(of: loops),
                    ])
            }
        ] + [cluster].compactMap { $0 }
    }

    /// How fast each route was answered since the start, and how often it failed.
    private static func routes(of loops: EventLoops) async -> AdminTable {
        let (meters, _) = await loops.snapshot(within: .seconds(1))
        let times = meters.families.first { $0.name == "pitaya_handler_response_time_ns" }
        let rows = (times?.series ?? []).compactMap { series -> AdminTable.Row? in
            guard case .histogram(let times) = series.value, times.count > 0 else { return nil }
            func label(_ name: String) -> String { series.labels.first { $0.name == name }?.value ?? "" }
            let (route, status) = (label("route"), "\(label("status")) \(label("code"))")
            return AdminTable.Row("\(route) \(label("type")) \(status)", [route, label("type"), status] + times.cells)
        }
        return AdminTable("routes", ["route", "type", "state"] + HistogramSnapshot.columns, rows)
    }

    public var actions: [AdminAction] {
        let app = app
        return [
            AdminAction("app.kick", fields: ["user"]) { fields in
                let user = fields["user"] ?? ""
                guard try app.kick([user]).isEmpty else { throw AdminRefusal("\(user) is not here") }
                return "\(user) was told to leave"
            },
            AdminAction("app.pushGroup", fields: ["group", "route", "data"]) { fields in
                let members = try app.groups.members(of: fields["group"] ?? "")
                let absent = try app.push(fields["route"] ?? "", Array((fields["data"] ?? "").utf8), to: members)
                return "pushed to \(members.count - absent.count) of \(members.count)"
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
