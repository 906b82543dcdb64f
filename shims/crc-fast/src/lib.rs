//! Stands for the crate `crc-fast` in this workspace, of which `object_store` uses one checksum, CRC-64/NVME, and the S3
//! server of the tests two more. The real one brings the tables of all checksums that it knows, 600 kB that can't be
//! compressed, into a program that is loaded at each cold start of a Lambda function. Nothing in Tenko asks for such
//! a checksum, unless `AWS_CHECKSUM_ALGORITHM` does.

type Table = [u64; 256];

// The reflected polynomials: of ISO 3309, of RFC 3720, and of the NVM Express specification ("64b CRC").
static ISO_HDLC: Table = table(0xedb8_8320);
static ISCSI: Table = table(0x82f6_3b78);
static NVME: Table = table(0x9a6c_9329_ac4b_c9b5);

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// CRC-32/ISO-HDLC, which S3 calls CRC32.
    Crc32IsoHdlc,
    /// CRC-32/ISCSI, which S3 calls CRC32C.
    Crc32Iscsi,
    /// CRC-64/NVME, which S3 calls CRC64NVME.
    Crc64Nvme,
}

/// A checksum in the making.
#[derive(Clone, Debug)]
pub struct Digest {
    state: u64,
    table: &'static Table,
    mask: u64,
}

impl Digest {
    /// Begins.
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        let (table, mask) = match algorithm {
            CrcAlgorithm::Crc32IsoHdlc => (&ISO_HDLC, u64::from(u32::MAX)),
            CrcAlgorithm::Crc32Iscsi => (&ISCSI, u64::from(u32::MAX)),
            CrcAlgorithm::Crc64Nvme => (&NVME, u64::MAX),
        };
        Self { state: mask, table, mask }
    }

    /// Takes more bytes.
    pub fn update(&mut self, data: &[u8]) {
        for byte in data {
            let index = (self.state ^ u64::from(*byte)) & 0xff;
            self.state = self.table[index as usize] ^ (self.state >> 8);
        }
    }

    /// The checksum of all bytes so far.
    pub fn finalize(&self) -> u64 {
        self.state ^ self.mask
    }
}

const fn table(polynomial: u64) -> Table {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(algorithm: CrcAlgorithm, data: &[u8]) -> u64 {
        let mut digest = Digest::new(algorithm);
        data.chunks(7).for_each(|part| digest.update(part));
        digest.finalize()
    }

    /// The check values of the catalogue of checksums, and the examples of the NVM Express specification.
    #[test]
    fn they_are_what_they_are_called() {
        use CrcAlgorithm::{Crc32Iscsi, Crc32IsoHdlc, Crc64Nvme};
        assert_eq!(checksum(Crc32IsoHdlc, b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(Crc32Iscsi, b"123456789"), 0xe306_9283);
        assert_eq!(checksum(Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(checksum(Crc64Nvme, &[0; 4096]), 0x6482_d367_eb22_b64e);
        assert_eq!(checksum(Crc64Nvme, &[0xff; 4096]), 0xc0dd_ba73_02ec_a3ac);
        assert_eq!(checksum(Crc64Nvme, b""), 0);
    }
}
