import OmniwayTelemetry

/// Handlers that belong together, under one name, with a life of their own.
///
/// ```swift
/// final class Room: Service {
///     let name = "room"
///     func handlers(_ table: ServiceTable) {
///         table.on("join", join)
///         table.onNotify("move", move)
///     }
/// }
/// app.add(Room())
/// ```
public protocol Service: AnyObject, Sendable {
    /// The middle part of its routes.
    var name: String { get }
    /// Called once, when the service is added.
    func handlers(_ table: ServiceTable)
    /// Before the app listens; an error keeps it from starting.
    func start(_ app: App) async throws
    /// When the app has let go of all sessions.
    func stop(_ app: App) async
}

extension Service {
    public func start(_ app: App) async throws {}
    public func stop(_ app: App) async {}
}

/// Where a service puts its handlers: by the names of methods alone.
public struct ServiceTable: HandlerTable {
    let app: App
    let service: String
    let naming: @Sendable (String) -> String

    public var serializer: any Serializer { app.serializer }
    public func put(_ handler: Handler, at method: String) {
        app.put(handler, at: "\(service).\(naming(method))")
    }
}
