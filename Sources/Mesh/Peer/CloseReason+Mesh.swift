public import OmniwayTransport

extension CloseReason {
    /// The peer sent something that is no mesh.
    public static let notMesh = CloseReason("not-mesh")
    /// The first message, or the rest of one, did not come in time.
    public static let messageTimeout = CloseReason("message-timeout")
    /// The peer was deleted.
    public static let peerDeleted = CloseReason("peer-deleted")
}
