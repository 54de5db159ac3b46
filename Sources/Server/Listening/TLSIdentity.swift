import NIOConcurrencyHelpers
import NIOSSL

/// The certificate and key that clients are shown, as their files said when they were last read. Safe from any thread.
final class TLSIdentity: Sendable {
  private let files: ServerConfiguration.TLSFiles
  private let current: NIOLockedValueBox<NIOSSLContext>

  /// Reads the files.
  /// - Throws: ``ServerStartError`` where they can't be used.
  init(_ files: ServerConfiguration.TLSFiles) throws(ServerStartError) {
    self.files = files
    current = NIOLockedValueBox(try Self.read(files))
  }

  /// What a new connection is shown.
  var context: NIOSSLContext { current.withLockedValue { $0 } }

  /// Reads the files anew, for connections that come from now on; those that are there keep theirs.
  /// - Throws: ``ServerStartError`` where they can't be used: then everything stays as it was.
  func reload() throws(ServerStartError) {
    let context = try Self.read(files)
    current.withLockedValue { $0 = context }
  }

  private static func read(_ files: ServerConfiguration.TLSFiles) throws(ServerStartError) -> NIOSSLContext {
    do {
      let chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
      let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
      var configuration = TLSConfiguration.makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
      configuration.minimumTLSVersion = .tlsv12
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw ServerStartError(
        "The certificate \(files.certificate) and key \(files.key) can't be used (PEM files are wanted): \(error).")
    }
  }
}
