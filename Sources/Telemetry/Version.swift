import CSystem

/// The version of this build, as `omniway version` prints it.
public enum Version {
    public static let current = "0.1.0"
    /// Of what it was built; nil for a build that is no release. Safe because the text is a constant.
    public static let commit = unsafe String(cString: csystem_commit()).isEmpty
        ? nil : unsafe String(cString: csystem_commit())
}
