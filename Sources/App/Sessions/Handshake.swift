public import OmniwayWire

/// What a client has said about itself when it came.
public struct Handshake: Sendable, Equatable {
    public let platform: String
    public let libraryVersion: String
    public let clientBuild: String
    public let clientVersion: String
    /// The application's own part: a token, a language.
    public let user: JSON.Object

    init(_ handshake: PomeloHandshake) {
        (platform, libraryVersion) = (handshake.platform, handshake.libVersion)
        (clientBuild, clientVersion) = (handshake.clientBuildNumber, handshake.clientVersion)
        user = handshake.user
    }
}
