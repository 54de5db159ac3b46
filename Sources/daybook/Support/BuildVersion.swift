import CBuild
import Server

/// Which program this is.
enum BuildVersion {
  /// What `daybook --version` says: the server's own version.
  static let text = DaybookServer.version
  /// The commit that it was built from; nil in a development build.
  static let commit = parts.first
  /// The day of that commit; nil in a development build.
  static let date = parts.count == 2 ? parts[1] : nil

  private static let parts = String(cString: daybook_build()).split(separator: " ").map(String.init)
}
