// The table of shape.h for client certificates.
#pragma once

#include "config/choices.h"
#include "config/shape.h"
#include "config/shape_claims.h"
#include "config/shape_units.h"

namespace tollgate::config {

inline constexpr Field kMtlsFields[] = {
    kEntryName,
    {.key = "trust_domain",
     .kind = Kind::kText,
     .doc = "The certificates are X.509-SVIDs of this SPIFFE trust domain, and must keep the rules "
            "of that standard."},
    {.key = "subject",
     .kind = Kind::kChoice,
     .doc = "What names the holder of another certificate: the one common name of its subject, or "
            "a DNS name among its alternative names. Not with `trust_domain`.",
     .fallback = "common_name",
     .names = choices::certificate_names},
    {.key = "bundle",
     .kind = Kind::kFile,
     .doc = "PEM of the authorities that vouch for these certificates, and for no entry's else; "
            "read anew with every reload. Not written: the `client_ca` of the listeners, where "
            "they have one in common and this is the only entry."},
    {.key = "tenant",
     .kind = Kind::kName,
     .doc = "The tenant of all of them. This, `tenant_by_spiffe_id` or `tenant_by_subject`."},
    {.key = "tenant_by_spiffe_id",
     .kind = Kind::kTextMap,
     .doc = "The tenant by a pattern of the SPIFFE ID, with `trust_domain`. `*` stands for one or "
            "more characters: at the end for the whole rest, elsewhere within one segment.",
     .max = 1024,
     .of = Kind::kName},
    {.key = "tenant_by_subject",
     .kind = Kind::kTextMap,
     .doc = "The tenant by a pattern of the name, without `trust_domain`.",
     .max = 1024,
     .of = Kind::kName},
    {.key = "roles",
     .kind = Kind::kList,
     .doc = "Roles that every holder has, besides those of the tenant.",
     .max = 64,
     .of = Kind::kName},
};
inline constexpr Section kMtls{
    "mtls",
    "Client certificates, and whose they are. Listeners ask for them with `tls.client_ca`. A "
    "certificate that no entry maps names nobody.",
    kMtlsFields};

}  // namespace tollgate::config
