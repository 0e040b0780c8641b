import com.nimbusds.oauth2.sdk.ClientCredentialsGrant;
import com.nimbusds.oauth2.sdk.ErrorObject;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenIntrospectionRequest;
import com.nimbusds.oauth2.sdk.TokenIntrospectionResponse;
import com.nimbusds.oauth2.sdk.TokenIntrospectionSuccessResponse;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.TokenRevocationRequest;
import com.nimbusds.oauth2.sdk.as.AuthorizationServerMetadata;
import com.nimbusds.oauth2.sdk.auth.ClientAuthentication;
import com.nimbusds.oauth2.sdk.auth.ClientAuthenticationMethod;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.ClientSecretPost;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.client.ClientDeleteRequest;
import com.nimbusds.oauth2.sdk.client.ClientInformation;
import com.nimbusds.oauth2.sdk.client.ClientMetadata;
import com.nimbusds.oauth2.sdk.client.ClientReadRequest;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationRequest;
import com.nimbusds.oauth2.sdk.client.ClientRegistrationResponse;
import com.nimbusds.oauth2.sdk.client.ClientUpdateRequest;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.oauth2.sdk.token.BearerAccessToken;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientMetadata;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationRequest;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientRegistrationResponseParser;
import com.nimbusds.openid.connect.sdk.rp.OIDCClientUpdateRequest;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import net.minidev.json.JSONObject;

/** A card's life with the SDK of Nimbus: plan on standard input, one JSON line a step on standard output. */
public final class CardLife {
    private final JSONObject plan;
    private final boolean oidc;
    private final Scope scope;
    private final URI resource;
    private AuthorizationServerMetadata server;
    private ClientInformation card;

    private CardLife(JSONObject plan, boolean oidc) throws Exception {
        this.plan = plan;
        this.oidc = oidc;
        this.scope = Scope.parse(JSONObjectUtils.getString(plan, "scope"));
        this.resource = JSONObjectUtils.getURI(plan, "resource");
    }

    public static void main(String[] family) throws Exception {
        String told = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        new CardLife(JSONObjectUtils.parse(told), family[0].equals("oidc")).live();
    }

    private void live() throws Exception {
        discoverAndRegister();
        AccessToken first = fetchToken("token");
        introspect("introspect", resourceServer(), first);
        introspect("ask_about_own", client(), first);
        revoke(first);
        introspect("introspect_revoked", resourceServer(), first);
        read("read");
        update();
        read("read_updated");
        AccessToken second = fetchToken("second_token");
        introspect("introspect_second", resourceServer(), second);
        delete();
        introspect("introspect_orphan", resourceServer(), second);
        HTTPResponse noToken = send(tokenRequest());
        refused("token_refused", noToken, TokenResponse.parse(noToken).toErrorResponse().getErrorObject());
        HTTPResponse gone = send(new ClientReadRequest(card.getRegistrationURI(), card.getRegistrationAccessToken()).toHTTPRequest());
        refused("read_refused", gone, parsed(gone).toErrorResponse().getErrorObject());
    }

    private void discoverAndRegister() throws Exception {
        server = AuthorizationServerMetadata.resolve(new Issuer(JSONObjectUtils.getString(plan, "issuer")));
        tell("discover", "issuer", server.getIssuer().getValue());
        JSONObject said = JSONObjectUtils.getJSONObject(plan, "card");
        BearerAccessToken invitation = new BearerAccessToken(JSONObjectUtils.getString(plan, "initial_access_token"));
        URI endpoint = server.getRegistrationEndpointURI();
        keep(send(oidc
            ? new OIDCClientRegistrationRequest(endpoint, OIDCClientMetadata.parse(said), invitation).toHTTPRequest()
            : new ClientRegistrationRequest(endpoint, ClientMetadata.parse(said), invitation).toHTTPRequest()));
        tell("register", "card", card.toJSONObject());
    }

    private TokenIntrospectionSuccessResponse introspect(String step, ClientAuthentication asker, AccessToken token) throws Exception {
        HTTPResponse answer = send(new TokenIntrospectionRequest(server.getIntrospectionEndpointURI(), asker, token).toHTTPRequest());
        TokenIntrospectionSuccessResponse facts = TokenIntrospectionResponse.parse(answer).toSuccessResponse();
        if (facts.isActive()) {
            tell(step, "active", true, "client_id", facts.getClientID().getValue(), "scope", facts.getScope().toString());
        } else {
            tell(step, "active", false);
        }
        return facts;
    }

    private HTTPRequest tokenRequest() {
        return new TokenRequest.Builder(server.getTokenEndpointURI(), client(), new ClientCredentialsGrant())
            .scope(scope)
            .resource(resource)
            .build()
            .toHTTPRequest();
    }

    private AccessToken fetchToken(String step) throws Exception {
        TokenResponse answer = TokenResponse.parse(send(tokenRequest()));
        if (!answer.indicatesSuccess()) {
            throw new IllegalStateException(answer.toErrorResponse().getErrorObject().toString());
        }
        AccessToken token = answer.toSuccessResponse().getTokens().getAccessToken();
        tell(step, "token_type", token.getType().getValue(), "expires_in", token.getLifetime(), "scope", token.getScope().toString());
        return token;
    }

    private void revoke(AccessToken token) throws Exception {
        HTTPResponse answer = send(new TokenRevocationRequest(server.getRevocationEndpointURI(), client(), token).toHTTPRequest());
        tell("revoke", "status", answer.getStatusCode());
    }

    private void read(String step) throws Exception {
        keep(send(new ClientReadRequest(card.getRegistrationURI(), card.getRegistrationAccessToken()).toHTTPRequest()));
        tell(step, "card", card.toJSONObject());
    }

    private void update() throws Exception {
        ClientMetadata metadata = card.getMetadata();
        metadata.setName(JSONObjectUtils.getString(plan, "new_name"));
        URI uri = card.getRegistrationURI();
        BearerAccessToken token = card.getRegistrationAccessToken();
        Secret secret = card.getSecret();
        keep(send(oidc
            ? new OIDCClientUpdateRequest(uri, card.getID(), token, (OIDCClientMetadata) metadata, secret).toHTTPRequest()
            : new ClientUpdateRequest(uri, card.getID(), token, metadata, secret).toHTTPRequest()));
        tell("update", "card", card.toJSONObject());
    }

    private void delete() throws Exception {
        HTTPResponse answer = send(new ClientDeleteRequest(card.getRegistrationURI(), card.getRegistrationAccessToken()).toHTTPRequest());
        tell("delete", "status", answer.getStatusCode());
    }

    private ClientRegistrationResponse parsed(HTTPResponse answer) throws Exception {
        return oidc ? OIDCClientRegistrationResponseParser.parse(answer) : ClientRegistrationResponse.parse(answer);
    }

    private void keep(HTTPResponse answer) throws Exception {
        ClientRegistrationResponse response = parsed(answer);
        if (!response.indicatesSuccess()) {
            throw new IllegalStateException(response.toErrorResponse().getErrorObject().toString());
        }
        card = response.toSuccessResponse().getClientInformation();
    }

    private ClientAuthentication client() {
        return ClientAuthenticationMethod.CLIENT_SECRET_POST.equals(card.getMetadata().getTokenEndpointAuthMethod())
            ? new ClientSecretPost(card.getID(), card.getSecret())
            : new ClientSecretBasic(card.getID(), card.getSecret());
    }

    private ClientAuthentication resourceServer() throws Exception {
        JSONObject credential = JSONObjectUtils.getJSONObject(plan, "introspector");
        return new ClientSecretBasic(
            new ClientID(JSONObjectUtils.getString(credential, "client_id")),
            new Secret(JSONObjectUtils.getString(credential, "client_secret")));
    }

    private static HTTPResponse send(HTTPRequest request) throws Exception {
        request.setConnectTimeout(10_000);
        request.setReadTimeout(10_000);
        return request.send();
    }

    private static void refused(String step, HTTPResponse answer, ErrorObject error) {
        tell(step, "status", answer.getStatusCode(), "error", error.getCode());
    }

    private static void tell(String step, Object... facts) {
        JSONObject line = new JSONObject();
        line.put("step", step);
        for (int i = 0; i < facts.length; i += 2) {
            line.put((String) facts[i], facts[i + 1]);
        }
        System.out.println(line.toJSONString());
    }
}
