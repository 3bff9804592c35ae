/// Handlers that belong together, under one name, with the life of a module.
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
public protocol Service: Module {
    /// Called once, when the service is added. The service's name is the middle part of their routes.
    func handlers(_ table: ServiceTable)
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
