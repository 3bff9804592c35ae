/// The version of this build, as `omniway version` prints it.
public enum Version {
    public static let current = "0.1.0"
}
