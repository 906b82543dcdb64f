//! What rights are called, and what helps those who lack them.

/// What was asked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// To create an object.
    Write,
    /// To read one.
    Read,
    /// To list some.
    List,
    /// To remove one.
    Remove,
}

/// Whose names for rights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    S3,
    #[cfg(feature = "gcs")]
    Google,
    #[cfg(feature = "azure")]
    Azure,
}

impl Rights {
    /// Azure gives an object another tag each time that it is written, with the same content too.
    pub(super) fn tags_tell_content(self) -> bool {
        match self {
            Self::S3 => true,
            #[cfg(feature = "gcs")]
            Self::Google => true,
            #[cfg(feature = "azure")]
            Self::Azure => false,
        }
    }

    fn name(self, doing: Doing) -> &'static str {
        match (self, doing) {
            (Self::S3, Doing::Write) => "s3:PutObject",
            (Self::S3, Doing::Read) => "s3:GetObject",
            (Self::S3, Doing::List) => "s3:ListBucket (on the bucket itself, not on its objects)",
            (Self::S3, Doing::Remove) => "s3:DeleteObject",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Write) => "storage.objects.create",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Read) => "storage.objects.get",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::List) => "storage.objects.list",
            #[cfg(feature = "gcs")]
            (Self::Google, Doing::Remove) => "storage.objects.delete",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Write) => "Microsoft.Storage/.../blobs/add/action",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Read | Doing::List) => "Microsoft.Storage/.../blobs/read",
            #[cfg(feature = "azure")]
            (Self::Azure, Doing::Remove) => "Microsoft.Storage/.../blobs/delete",
        }
    }

    /// What helps whoever may not do something.
    pub(super) fn missing(self, doing: Doing) -> String {
        let right = self.name(doing);
        if doing == Doing::Read && self == Self::S3 {
            return format!(
                "grant {right}; without s3:ListBucket on the bucket a missing object is answered in the same way"
            );
        }
        format!("grant {right}")
    }

    /// What helps where the server does not say whether a right is missing or the credentials are wrong.
    pub(super) fn unclear(self, doing: Doing) -> String {
        let right = self.name(doing);
        format!(
            "check the key or the signature, the firewall of the storage account, and that {right} is granted"
        )
    }

    /// What helps where there is no bucket.
    pub(super) fn no_bucket(self) -> &'static str {
        match self {
            #[cfg(feature = "azure")]
            Self::Azure => {
                "there is no such container (here): create it, or check its name, the account and the endpoint"
            }
            #[cfg(feature = "gcs")]
            Self::Google => "there is no such bucket: create it, or check its name",
            Self::S3 => {
                "there is no such bucket (here): create it, or check its name, the region and the endpoint"
            }
        }
    }

    /// What helps where no credentials were found.
    pub(super) fn no_credentials(self) -> &'static str {
        match self {
            Self::S3 => {
                "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
            }
            #[cfg(feature = "gcs")]
            Self::Google => {
                "no credentials were found: set GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account"
            }
            #[cfg(feature = "azure")]
            Self::Azure => {
                "no credentials were found: set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or give the machine an identity"
            }
        }
    }
}
