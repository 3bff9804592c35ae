public import OmniwayWire

/// What a client says about itself when it comes.
public struct Handshake: Sendable, Equatable {
    public var platform: String
    public var libraryVersion: String
    public var clientBuild: String
    public var clientVersion: String
    /// The application's own part: a token, a language.
    public var user: JSON.Object

    public init(
        platform: String = "", libraryVersion: String = "", clientBuild: String = "", clientVersion: String = "",
        user: JSON.Object = [:]
    ) {
        (self.platform, self.libraryVersion) = (platform, libraryVersion)
        (self.clientBuild, self.clientVersion, self.user) = (clientBuild, clientVersion, user)
    }

    init(_ handshake: PomeloHandshake) {
        (platform, libraryVersion) = (handshake.platform, handshake.libVersion)
        (clientBuild, clientVersion) = (handshake.clientBuildNumber, handshake.clientVersion)
        user = handshake.user
    }
}
