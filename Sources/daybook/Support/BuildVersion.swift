import Server

/// What `daybook --version` says: the server's own version.
enum BuildVersion {
  static let text = DaybookServer.version
}
