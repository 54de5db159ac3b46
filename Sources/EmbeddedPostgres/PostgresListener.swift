/// The TCP address at which the private server takes SQL roles, by their passwords. Its owner never comes in there.
public struct PostgresListener: Hashable, Sendable {
  /// The host name or address that it listens on; `*` and `0.0.0.0` stand for every address.
  public var host: String
  /// The port; 0 is none.
  public var port: Int
  /// The PEM files of a certificate chain and its key; without them nothing is encrypted.
  public var tls: TLSFiles?

  /// PEM files, which this process must be able to read; PostgreSQL gets copies of its own.
  public struct TLSFiles: Hashable, Sendable {
    /// The chain, the server's own certificate first.
    public var certificate: String
    /// Its private key.
    public var key: String

    /// The files at these paths.
    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// A listener on that address.
  public init(host: String, port: Int, tls: TLSFiles? = nil) {
    self.host = host
    self.port = port
    self.tls = tls
  }
}
