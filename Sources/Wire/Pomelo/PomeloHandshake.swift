/// What a client says first.
package struct PomeloHandshake: Equatable, Sendable {
    package var platform = ""
    package var libVersion = ""
    package var clientBuildNumber = ""
    package var clientVersion = ""
    /// The application's own part.
    package var user: JSON.Object

    package init(
        platform: String = "", libVersion: String = "", clientBuildNumber: String = "", clientVersion: String = "",
        user: JSON.Object = [:]
    ) {
        (self.platform, self.libVersion) = (platform, libVersion)
        (self.clientBuildNumber, self.clientVersion) = (clientBuildNumber, clientVersion)
        self.user = user
    }

    /// Reads the body of a client's packet, by Go's rules: what is not known is ignored, what has another type refused.
    /// It is never compressed.
    package init(_ body: RawSpan, limits: JSON.Reader.Limits) throws(PomeloError) {
        let fields = try PomeloFields(body, limits: limits)
        let sys = try fields.fields("sys")
        self.init(
            platform: try sys.string("platform"), libVersion: try sys.string("libVersion"),
            clientBuildNumber: try sys.string("clientBuildNumber"), clientVersion: try sys.string("clientVersion"),
            user: try fields.object("user"))
    }

    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) {
            $0.object("sys") {
                $0.member("platform", platform)
                $0.member("libVersion", libVersion)
                $0.member("clientBuildNumber", clientBuildNumber)
                $0.member("clientVersion", clientVersion)
            }
            if !user.isEmpty { $0.member("user", .object(user)) }
        }
        return bytes
    }
}
