/// What other servers of the cluster may call: `app.remotes.on("remote.hello") { (name: Name, context) in ... }`.
/// Bodies are protobuf, whatever the app's clients speak. A remote that answers nothing is put by `onNotify`.
public struct RemoteTable: HookTable {
    let app: App

    public var serializer: any Serializer { ProtobufSerializer() }
    public func put(_ handler: Handler, at route: String) { app.change { $0.remotes.append((route, handler)) } }
    public func put(_ hook: Hook) { app.change { $0.remotePipeline.add(hook) } }
}

extension App {
    public var remotes: RemoteTable { RemoteTable(app: self) }
}
